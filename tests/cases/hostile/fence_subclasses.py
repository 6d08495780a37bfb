# A public program finds a class of a library by walking all classes, and starts a shell with it.
found = [c for c in object.__subclasses__() if c.__name__ in ("Popen", "_wrap_close")]
doors = []
for kind in found:
    names = kind.__init__.__globals__
    for name, arguments in (("system", ("true",)), ("popen", ("true",)), ("Popen", (["true"],))):
        try:
            names[name](*arguments)
            doors.append(name)
        except (KeyError, OSError):
            pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# role: public
# expect: ending=exited:0  stdout="held\n"
