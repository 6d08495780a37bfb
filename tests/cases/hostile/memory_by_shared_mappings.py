# Fills memory that is nobody's page any more, but that a shared mapping keeps.
import mmap
import time

kept = []
try:
    for _ in range(45):
        part = mmap.mmap(-1, 20 << 20)
        for offset in range(0, 20 << 20, 4096):
            part[offset] = 1
        part.madvise(mmap.MADV_DONTNEED)
        kept.append(part)
        time.sleep(0.02)
    print("ESCAPED: 900 MiB are kept")
except OSError:
    print("held")
# expect: ending=exited:0|out_of_memory  stdout!~"ESCAPED"
