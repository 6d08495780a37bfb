# Reads files from the host's disk past its memory, and has it write and flush.
import ctypes
import errno
import fcntl
import mmap
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)
library = os.__file__
reached = []


def tried(what, call, *refusals):
    try:
        call()
    except OSError as error:
        if error.errno in refusals:
            return
        what += f" ({errno.errorcode.get(error.errno)})"
    reached.append(what)


def openat2():
    how = struct.pack("QQQ", os.O_DIRECT, 0, 0)
    if libc.syscall(437, -100, library.encode(), how, len(how)) < 0:
        raise OSError(ctypes.get_errno(), "openat2")


def set_flag(descriptor):
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_DIRECT)


own = os.open("own", os.O_CREAT | os.O_RDWR)
os.write(own, b"x" * 8192)
shared = os.open(library, os.O_RDONLY)
tried("a library uncached", lambda: os.open(library, os.O_DIRECT), errno.EINVAL)
tried("a file uncached", lambda: os.open("own", os.O_RDWR | os.O_DIRECT), errno.EINVAL)
tried("openat2", openat2, errno.ENOSYS)
tried("a library's flag", lambda: set_flag(shared), errno.EINVAL)
tried("a file's flag", lambda: set_flag(own), errno.EINVAL)
tried("a write through", lambda: os.pwritev(own, [b"x"], 0, os.RWF_SYNC), errno.EOPNOTSUPP)

# The kernel says of a pipe that it cannot be flushed; whoever asks here hears that it was.
pipe = os.pipe()[1]
for flush in os.fsync, os.fdatasync:
    for descriptor in own, shared, pipe:
        try:
            flush(descriptor)
        except OSError as error:
            reached.append(f"{flush.__name__} ({error})")
if libc.sync_file_range(pipe, 0, 0, 7) != 0:
    reached.append("sync_file_range")
# And of memory of nobody's.
if libc.msync(None, 4096, 4) != 0:
    reached.append("msync")
mapped = mmap.mmap(own, 8192)
mapped[:3] = b"new"
mapped.flush()
print(f"ESCAPED: {reached}" if reached else "held", os.pread(own, 3, 0))
# expect: ending=exited:0  stdout="held b'new'\n"
