# Asks for the attributes of files by name, which Landlock does not guard: some hosts keep secrets in them.
import errno, os, sys

doors = []
for path in ("/", "/etc/passwd", "/var/log", os.__file__, sys.executable):
    for name, call in {"list": lambda: os.listxattr(path), "get": lambda: os.getxattr(path, "user.mark"),
                       "list of a link": lambda: os.listxattr(path, follow_symlinks=False)}.items():
        try:
            call()
            doors.append(f"{name} {path}")
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                doors.append(f"{name} {path}: {error.strerror}")
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# tiers: landlock
# expect: ending=exited:0  stdout="held\n"
