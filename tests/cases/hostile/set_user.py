# Becomes root by asking.
import os

doors = []
for name, arguments in {
    "setuid": (0,), "setgid": (0,), "seteuid": (0,), "setegid": (0,), "setreuid": (0, 0), "setregid": (0, 0),
    "setresuid": (0, 0, 0), "setresgid": (0, 0, 0), "setgroups": ([0],), "initgroups": ("root", 0),
}.items():
    try:
        getattr(os, name)(*arguments)
        doors.append(name)
    except OSError:
        pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
