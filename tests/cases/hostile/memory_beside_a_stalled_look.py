# Has whoever looks at its mappings wait for it, and its children take much more memory than a run may meanwhile.
import ctypes, mmap, os, threading, time

PAGES = 120_000
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
at = libc.mmap(None, PAGES * 4096, mmap.PROT_READ, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
for page in range(0, PAGES, 2):
    libc.madvise(ctypes.c_void_p(at + page * 4096), ctypes.c_size_t(4096), 16)


def stall():
    while True:
        for protection in (0, 1):
            libc.mprotect(ctypes.c_void_p(at), ctypes.c_size_t(PAGES * 4096), protection)


for _ in range(2):
    threading.Thread(target=stall, daemon=True).start()
time.sleep(0.3)
for _ in range(6):
    if os.fork() == 0:
        memory = mmap.mmap(-1, 400 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for page in range(0, len(memory), 4096):
            memory[page] = 1
        time.sleep(9)
time.sleep(6)
print("ESCAPED: 2400 MiB for seconds", flush=True)
os._exit(0)
# expect: ending=out_of_memory|exited:1  stdout!~"ESCAPED"
