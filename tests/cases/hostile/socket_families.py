# Opens a socket of every family and type there is.
import socket

doors = []
for family in range(0, 50):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        for protocol in (0, 1, 6, 17, 132, 262):
            try:
                socket.socket(family, kind, protocol).close()
                doors.append(f"{family}/{kind}/{protocol}")
            except OSError:
                pass
print("ESCAPED: " + ", ".join(doors[:8]) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
