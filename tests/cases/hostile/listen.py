# Waits for visitors on TCP, UDP and on abstract and named unix sockets.
import socket

doors = []
for family, kind, address in (
    (socket.AF_INET, socket.SOCK_STREAM, ("0.0.0.0", 0)), (socket.AF_INET, socket.SOCK_DGRAM, ("0.0.0.0", 0)),
    (socket.AF_INET6, socket.SOCK_STREAM, ("::", 0)), (socket.AF_UNIX, socket.SOCK_STREAM, "\0hognose"),
    (socket.AF_UNIX, socket.SOCK_DGRAM, "\0hognose"), (socket.AF_UNIX, socket.SOCK_STREAM, "/tmp/socket"),
):
    try:
        socket.socket(family, kind).bind(address)
        doors.append(f"{family} {address}")
    except OSError:
        pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
