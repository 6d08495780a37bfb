# Hangs programs and devices on a socket pair, grows its buffers past the limit, and sends as somebody else.
import ctypes, errno, os, socket, struct

libc = ctypes.CDLL(None, use_errno=True)
here, there = socket.socketpair()
options = {
    "ATTACH_FILTER": 26, "ATTACH_BPF": 50, "ATTACH_REUSEPORT": 51, "BINDTODEVICE": 25, "MARK": 36, "SNDBUFFORCE": 32, "RCVBUFFORCE": 33,
    "SNDBUF": 7, "RCVBUF": 8, "PRIORITY": 12, "DEBUG": 1, "BUSY_POLL": 46, "NETNS_COOKIE": 71, "TXTIME": 61, "LOCK_FILTER": 44, "PASSPIDFD": 76,
}
doors = []
for name, option in options.items():
    ctypes.set_errno(0)
    answer = libc.setsockopt(here.fileno(), 1, option, ctypes.c_void_p(8), 64)
    if answer != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
        doors.append(f"{name} {errno.errorcode.get(ctypes.get_errno())}")
for pid, user in ((1, os.getuid()), (os.getpid(), 0), (2, 0)):
    try:
        here.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, struct.pack("iii", pid, user, user))])
        doors.append(f"sent as {pid}/{user}")
    except OSError:
        pass
for level in (6, 17, 41, 0, 263, 279, 282):
    if libc.setsockopt(here.fileno(), level, 1, ctypes.c_void_p(8), 4) != -1:
        doors.append(f"level {level}")
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
# expect on gvisor: ending=exited:0  stdout~"^ESCAPED: sent as 1/[0-9]+(, sent as 1/0)?\\n$"
