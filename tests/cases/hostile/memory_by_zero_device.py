# Maps the device of zeroes, which is memory of its own, and lets go of the pages but not of the mappings.
import mmap
import os
import time

kept = []
try:
    zeroes = os.open("/dev/zero", os.O_RDWR)
    for _ in range(45):
        part = mmap.mmap(zeroes, 20 << 20)
        for offset in range(0, 20 << 20, 4096):
            part[offset] = 1
        part.madvise(mmap.MADV_DONTNEED)
        kept.append(part)
        time.sleep(0.02)
    print("ESCAPED: 900 MiB are kept")
except OSError:
    print("held")
# expect: ending=exited:0|out_of_memory  stdout!~"ESCAPED"
