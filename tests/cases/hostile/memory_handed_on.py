# Hands 840 MiB on between processes that live for less than a millisecond, each in the memory of the last.
import ctypes, mmap, os, time

MIB = 1 << 20


def map_pages(size, protection=mmap.PROT_READ | mmap.PROT_WRITE, sharing=mmap.MAP_PRIVATE):
    return mmap.mmap(-1, size, flags=sharing | mmap.MAP_ANONYMOUS, prot=protection)


def address(pages):
    return ctypes.addressof(ctypes.c_char.from_buffer(pages))


# clone(CLONE_VM | SIGCHLD): the child counts and goes on with this, the parent exits.
HAND_ON = bytes.fromhex(
    "4889fb"  # where to count
    "f048ff03" "bf11010000" "31f6" "31d2" "4d31d2" "4d31c0" "b838000000" "0f05"  # count and clone
    "85c0" "74e2"  # again in the child
    "78e0"  # and where it was refused
    "31ff" "b83c000000" "0f05"  # exit
)

code = map_pages(4096, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(HAND_ON)
counts = map_pages(4096, sharing=mmap.MAP_SHARED)
for number in range(2):
    if os.fork() == 0:
        memory = map_pages(420 * MIB)
        for page in range(0, len(memory), 4096):
            memory[page] = 1
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address(code))(address(counts) + 8 * number)
# Whoever counts the pages of this one is busy for a while.
pages = map_pages(120_000 * 4096)
mprotect = ctypes.CDLL(None).mprotect
for number in range(0, 60_000):
    mprotect(ctypes.c_void_p(address(pages) + 2 * number * 4096), 4096, mmap.PROT_READ)
time.sleep(4)
before = counts[:]
time.sleep(0.5)
living = [counts[at : at + 8] != before[at : at + 8] for at in (0, 8)]
print("ESCAPED: 840 MiB were held for seconds" if all(living) else "held")
# expect: ending=out_of_memory|exited:0  stdout!~"ESCAPED"
