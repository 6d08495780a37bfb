# Writes beside the workspace: to the interpreter, to the libraries, to every folder it can see.
import os, sys, sysconfig

ours = ("/box", "/tmp", "/dev/shm", "/proc")
folders = {"/", "/usr", "/lib", "/env", "/dev", "/etc", "/proc", sys.prefix, os.path.dirname(os.__file__), *sysconfig.get_paths().values()}
for top, names, _ in os.walk("/", onerror=None):
    names[:] = [name for name in names if not os.path.join(top, name).startswith(ours)][:40]
    folders.add(top)
    if len(folders) > 3000:
        break
doors = []
for folder in folders:
    try:
        os.close(os.open(os.path.join(folder, "hostile"), os.O_CREAT | os.O_WRONLY, 0o644))
        doors.append(folder)
    except OSError:
        pass
for path in (sys.executable, os.__file__, "/dev/sda"):
    try:
        os.close(os.open(path, os.O_WRONLY))
        doors.append(path)
    except OSError:
        pass
print("ESCAPED: " + ", ".join(doors[:5]) if doors else "held")
# expect: ending=exited:0  stdout="held\n"  within_ms=9000
# expect on gvisor: ending=exited:0  stdout~"^(held|ESCAPED: /dev(/net)?, /dev(/net)?)\\n$"
