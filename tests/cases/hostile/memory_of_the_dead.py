# Keeps the memory of processes that have ended, by reading where their pages are for as long as it likes.
import ctypes, mmap, os, threading, time

SIZE = 400 << 20
counts = mmap.mmap(-1, 4096)
ready, wait = os.pipe()
code = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=7)
# Counts and calls pread, again while something comes.
code.write(bytes.fromhex("4989ca" "f049ff00" "b811000000" "0f05" "4885c0" "7ff0" "c3"))


def address(pages):
    return ctypes.addressof(ctypes.c_char.from_buffer(pages))


def read_on(number, pagemap, at):
    room = bytearray(SIZE // 4096 * 8)
    loop = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5)(address(code))
    loop(pagemap, address(room), len(room), at // 4096 * 8, address(counts) + 8 * number)


for number in range(2):
    if os.fork() == 0:
        try:
            pagemaps = [os.open("/proc/self/pagemap", os.O_RDONLY) for _ in range(3)]
        except OSError:
            os._exit(0)
        memory = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        at = address(memory)
        if os.fork() == 0:
            os.read(ready, 1)
            for pagemap in pagemaps:
                threading.Thread(target=read_on, args=(number, pagemap, at), daemon=True).start()
            time.sleep(9)
            os._exit(0)
        for page in range(0, SIZE, 4096):
            memory[page] = 1
        os.write(wait, b"x")
        time.sleep(0.05)
        os._exit(0)
    os.wait()
time.sleep(2)
before = counts[:]
time.sleep(0.5)
living = sum(counts[at : at + 8] != before[at : at + 8] for at in (0, 8))
print("held" if living < 2 else f"ESCAPED: {living} x 400 MiB of the dead", flush=True)
os._exit(0)
# expect: ending=exited:0|out_of_memory  stdout!~"ESCAPED"
