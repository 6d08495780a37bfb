# Makes record locks that belong to nobody: of open file descriptions, and of a process that has gone.
import ctypes
import fcntl
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)
file = os.open("f", os.O_RDWR | os.O_CREAT)
lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
try:
    fcntl.fcntl(file, 37, lock)
    print("ESCAPED: a lock of an open file description")
except OSError:
    pass
CLONE_FILES, SIGCHLD = 0x400, 17
child = libc.syscall(56, CLONE_FILES | SIGCHLD, 0, 0, 0, 0)
if child == 0:
    os._exit(0)
print("ESCAPED: processes share descriptors" if child > 0 else "held")
# expect: ending=exited:0  stdout="held\n"
