# Takes huge pages, which some hosts keep apart and no group for memory counts.
import ctypes, mmap

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
SIZE, HUGE = 2 << 20, 0x40000
total = 0
for size in (0, 21 << 26, 30 << 26):
    for kind in (mmap.MAP_PRIVATE, mmap.MAP_SHARED):
        while total < 1 << 30:
            address = libc.mmap(None, SIZE, 3, kind | mmap.MAP_ANONYMOUS | HUGE | size, -1, 0)
            if address in (None, ctypes.c_void_p(-1).value):
                break
            ctypes.memset(address, 1, SIZE)
            total += SIZE
# A small size is made a large one.
while total < 1 << 30:
    address = libc.mmap(None, 4096, 3, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | HUGE, -1, 0)
    if address in (None, ctypes.c_void_p(-1).value):
        break
    ctypes.memset(address, 1, SIZE)
    total += SIZE
print(f"ESCAPED: {total >> 20} MiB" if total > 512 << 20 else "held")
# expect: ending=exited:0|out_of_memory  stdout!~"ESCAPED"
