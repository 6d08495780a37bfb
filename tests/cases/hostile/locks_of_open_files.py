# Takes so many locks of open files that the kernel's list of locks is too long to be read; others have locks, too.
import ctypes, fcntl, os, time

libc = ctypes.CDLL(None)
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
folder = os.path.dirname(os.__file__)
paths = [os.path.join(folder, name) for name in ("os.py", "abc.py", "ast.py", "bdb.py", "cmd.py", "csv.py", "dis.py")]
locks = 0
end = time.monotonic() + 3
try:
    while time.monotonic() < end and locks < 5000:
        file = os.open(paths[locks % len(paths)], os.O_RDONLY)
        fcntl.flock(file, fcntl.LOCK_SH)
        # What is mapped stays open, and locked, beyond the limit on descriptors.
        libc.mmap(None, 4096, 1, 2, file, 0)
        os.close(file)
        locks += 1
except OSError:
    pass
time.sleep(0.5)
print("held" if locks <= 512 else f"ESCAPED: {locks} locks")
# expect: ending=exited:0|out_of_memory  stdout!~"ESCAPED"
# expect on gvisor: ending=exited:0|out_of_memory  stdout~"^(|held\\n|ESCAPED: [0-9]+ locks\\n)$"
