# Makes socket pairs of families that know other machines.
import socket

doors = []
for family in range(2, 50):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        try:
            socket.socketpair(family, kind)
            doors.append(str(family))
        except OSError:
            pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
