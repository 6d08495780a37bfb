# Ends its first thread, whose end others watch, while another fills shared memory.
import ctypes, mmap, os, threading, time

libc = ctypes.CDLL(None)
pieces = []


def fill():
    time.sleep(0.2)
    for _ in range(24):
        piece = mmap.mmap(-1, 64 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for at in range(0, len(piece), 4096):
            piece[at] = 1
        pieces.append(piece)
        time.sleep(0.05)
    os.write(1, b"ESCAPED: 1.5 GiB\n")
    os._exit(0)


threading.Thread(target=fill).start()
libc.syscall(60, 0)
# expect: ending=out_of_memory|signal:9|exited:0  stdout!~"ESCAPED"
