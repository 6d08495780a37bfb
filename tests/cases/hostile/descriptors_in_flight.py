# Sends descriptors of sockets into each other and closes them, so that only the kernel still holds them.
import array, os, socket

sent = 0
chain = socket.socketpair()
try:
    while sent < 5000:
        after = socket.socketpair()
        rights = array.array("i", [end.fileno() for end in chain])
        after[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        for end in chain:
            end.close()
        chain = after
        sent += 2
except OSError:
    pass
print("ESCAPED: 5000 in flight" if sent >= 5000 else "held")
# expect: ending=exited:0  stdout="held\n"  within_ms=5000
# expect on gvisor: ending=exited:0|out_of_memory  within_ms=20000
