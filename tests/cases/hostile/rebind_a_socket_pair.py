# Takes an allowed unix pair and makes a listener or a caller of it.
import select, socket

doors = []
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    for name, attempt in {
        "bind": lambda end: end.bind("\0hognose"),
        "bind by path": lambda end: end.bind("/tmp/bound"),
        "connect": lambda end: end.connect("\0/tmp/.X11-unix/X0"),
        "sendto": lambda end: end.sendto(b"x", "\0hognose"),
    }.items():
        try:
            one, other = socket.socketpair(socket.AF_UNIX, kind)
            attempt(one)
            # A pair of packets heeds no address: what was sent came out at the other end.
            if name == "sendto" and other in select.select([other], [], [], 0)[0]:
                continue
            doors.append(f"{name} {kind}")
        except ConnectionRefusedError:
            doors.append(f"{name} {kind} was tried")
        except OSError:
            pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
