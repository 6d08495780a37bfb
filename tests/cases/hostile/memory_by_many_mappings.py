# Makes address spaces that take long to look through, and uses more memory than a run may meanwhile.
import mmap
import os
import time

pages = os.open("pages", os.O_RDWR | os.O_CREAT)

os.write(pages, b"x" * (32 << 20))
kept = []
try:
    for _ in range(30_000):
        part = mmap.mmap(pages, 64 << 10, mmap.MAP_SHARED, mmap.PROT_READ)
        part[0]
        kept.append(part)
except OSError:
    pass
for _ in range(9):
    if os.fork() == 0:
        time.sleep(8)
        os._exit(0)
taken = []
for _ in range(90):
    taken.append(b"x" * (10 << 20))
    time.sleep(0.03)
time.sleep(1)
print("ESCAPED: 900 MiB are in use")
# expect: ending=out_of_memory|exited:1  stdout!~"ESCAPED"
