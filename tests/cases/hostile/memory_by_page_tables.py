# Touches one page of a hole in every two megabytes, so that only page tables grow.
import ctypes, time

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
for _ in range(8):
    size = 1 << 38
    start = libc.mmap(None, size, 1, 0x4022, -1, 0)
    if start in (None, 2**64 - 1):
        break
    for at in range(start, start + size, 2 << 20):
        ctypes.c_char.from_address(at).value
time.sleep(1)
print("ESCAPED: more than 512 MiB of page tables")
# expect: ending=out_of_memory|signal:9|exited:1  stdout!~"ESCAPED"
# expect on gvisor: ending=out_of_memory|signal:9|exited:1|timed_out  stdout!~"ESCAPED"
