# Makes a pair of datagram sockets, which the kernel would name for it and others could write to.
import socket

doors = []
for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
    try:
        socket.socketpair(socket.AF_UNIX, kind)
        doors.append(str(kind))
    except OSError:
        pass
one, other = socket.socketpair()
for option in (socket.SO_PASSCRED, socket.SO_SNDBUF, socket.SO_RCVBUF):
    try:
        one.setsockopt(socket.SOL_SOCKET, option, 1)
        doors.append(f"option {option}")
    except OSError:
        pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
