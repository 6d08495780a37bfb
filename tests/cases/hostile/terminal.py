# Reaches for a terminal, and types into it for its owner.
import fcntl, os, struct

TIOCSTI, TIOCLINUX, TIOCCONS = 0x5412, 0x541C, 0x541D
doors = []
for path in ("/dev/tty", "/dev/ptmx", "/dev/console", "/dev/tty0"):
    try:
        os.open(path, os.O_RDWR)
        doors.append(path)
    except OSError:
        pass
for descriptor in (0, 1, 2):
    if os.isatty(descriptor):
        doors.append(f"descriptor {descriptor}")
    for request in (TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSTI | 1 << 31):
        try:
            fcntl.ioctl(descriptor, request, b"x")
            doors.append(hex(request))
        except OSError:
            pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
# expect on gvisor: ending=exited:0  stdout="ESCAPED: /dev/ptmx\n"
