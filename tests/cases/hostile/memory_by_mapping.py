# Maps memory outside Python's heap, and touches all of it.
import mmap

hoard = []
try:
    for _ in range(80):
        piece = mmap.mmap(-1, 16 << 20)
        for offset in range(0, 16 << 20, 4096):
            piece[offset] = 1
        hoard.append(piece)
    print("ESCAPED: 1280 MiB")
except (OSError, MemoryError):
    print("held")
# expect: ending=exited:0|out_of_memory  stdout!~"ESCAPED"  within_ms=9000
