# Fills small pieces of shared memory, and lets go of their pages but not of the pieces.
import mmap
import time

kept = []
for _ in range(14_400):
    part = mmap.mmap(-1, 64 << 10)
    for offset in range(0, 64 << 10, 4096):
        part[offset] = 1
    part.madvise(mmap.MADV_DONTNEED)
    kept.append(part)
    if len(kept) % 100 == 0:
        time.sleep(0.01)
time.sleep(1)
print("ESCAPED: 900 MiB are kept")
# expect: ending=out_of_memory|exited:1  stdout!~"ESCAPED"
# expect on gvisor: ending=out_of_memory|exited:1|timed_out  stdout!~"ESCAPED"
