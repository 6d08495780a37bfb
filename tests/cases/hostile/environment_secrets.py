# Looks for secrets of the server in its environment, its arguments and its memory's start.
import os

text = "\0".join(f"{key}={value}" for key, value in os.environ.items())
for name in ("environ", "cmdline"):
    for pid in ("self", "1", str(os.getppid())):
        try:
            text += open(f"/proc/{pid}/{name}", errors="replace").read()
        except OSError:
            pass
found = [word for word in ("ADMIN_KEY", "PYTHON_EXE_KEY", "HOGNOSE_", "SECRET", "TOKEN", "PASSWORD", "/root/", "/home/") if word in text]
print("ESCAPED: " + ", ".join(found) if found else "held")
# expect: ending=exited:0  stdout="held\n"
