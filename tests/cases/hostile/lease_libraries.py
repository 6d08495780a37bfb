# Takes a lease on a file that every run shares, so that whoever opens it next must wait.
import fcntl, os

doors = []
for path in (os.__file__, "/etc/passwd", "/dev/null", "/"):
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:
        continue
    for name, command, argument in (
        ("lease", fcntl.F_SETLEASE, fcntl.F_WRLCK),
        ("read lease", fcntl.F_SETLEASE, fcntl.F_RDLCK),
        ("notify", fcntl.F_NOTIFY, fcntl.DN_ACCESS),
        ("owner", fcntl.F_SETOWN, os.getpid()),
    ):
        try:
            fcntl.fcntl(descriptor, command, argument)
            doors.append(f"{name} {path}")
        except OSError:
            pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
