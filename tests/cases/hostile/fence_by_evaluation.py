# A public program imports by code that it makes while it runs.
import sys

found = []
text = "im" + "port subprocess as s"


def attempt(name, way):
    try:
        way()
        found.append(name)
    except ImportError:
        pass
    except Exception as error:
        found.append(f"{name}: {type(error).__name__}") if "mport" not in str(error) else None


builtins = sys.modules["builtins"]
attempt("exec", lambda: exec(text))
attempt("exec in names of its own", lambda: exec(text, {"__name__": "numpy", "__file__": "/env/lib/x.py", "__package__": "numpy"}))
attempt("exec of a library's names", lambda: exec(text, vars(sys.modules["json"]).copy()))
attempt("exec in a library's names", lambda: exec(text, vars(sys.modules["json"])))
attempt("eval", lambda: eval("__import__('sub' + 'process')"))
attempt("compiled", lambda: exec(compile(text, "/env/lib/python3/numpy/x.py", "exec")))
attempt("the builtin", lambda: builtins.__import__("subprocess", vars(sys.modules["json"])))
attempt("a type", lambda: type("X", (), {"__init_subclass__": lambda **k: exec(text)}) and exec("class Y(type('X', (), {})): " + text))
attempt("a file", lambda: (open("mine.py", "w").write(text), sys.path.insert(0, "."), exec("import mine")))
print(f"reached: {found}" if found else "held")
# role: public
# expect: ending=exited:0|forbidden_import  stdout!~"reached"
