# Sets modes, times, owners and attributes of files that it may only read or see.
import os, sys

paths = {os.__file__, sys.executable, sys.prefix, os.path.dirname(os.__file__), "/", "/etc", "/etc/passwd", "/var/tmp", "/dev/null", "/usr"}
folder = os.getcwd()
while folder != "/":
    folder = os.path.dirname(folder)
    paths.add(folder)
paths -= {"/box"}  # The run's own, as it is in a container of its own.
doors = []


def each(path, tries):
    for name, call in tries:
        try:
            call()
            doors.append(f"{name} of {path}")
        except OSError:
            pass


for path in paths:
    each(path, (
        ("mode", lambda: os.chmod(path, 0o777)),
        ("time", lambda: os.utime(path, (0, 0))),
        ("owner", lambda: os.chown(path, os.getuid(), os.getgid())),
        ("attribute", lambda: os.setxattr(path, "user.x", b"x")),
    ))
    try:
        seen = os.open(path, os.O_RDONLY)
    except OSError:
        try:
            seen = os.open(path, os.O_PATH)
        except FileNotFoundError:
            continue
    each(path, (
        ("mode, opened,", lambda: os.fchmod(seen, 0o777)),
        ("time, opened,", lambda: os.utime(seen, (0, 0))),
        ("mode by its door", lambda: os.chmod(f"/proc/self/fd/{seen}", 0o777)),
        ("owner, opened,", lambda: os.fchown(seen, os.getuid(), os.getgid())),
    ))
    os.close(seen)
print("ESCAPED: " + ", ".join(doors[:20]) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
# expect on gvisor: ending=exited:0  stdout~"^(held\\n|ESCAPED: ([a-z, ]+ of /dev/null(, |\\n))+)$"
