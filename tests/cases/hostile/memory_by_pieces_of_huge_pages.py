# Lets go of all of each huge page but a small one, so that little of what the host keeps for it is seen.
import ctypes, mmap, resource

HUGE = 2 << 20
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p


def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


huge = 0
for _ in range(10):
    at = libc.mmap(None, 61 * HUGE, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    start = (at + HUGE - 1) // HUGE * HUGE
    libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(60 * HUGE), mmap.MADV_HUGEPAGE)
    for piece in range(start, start + 60 * HUGE, HUGE):
        before = faults()
        ctypes.memset(piece, 1, 1)
        ctypes.memset(piece + HUGE // 2, 1, 1)
        huge += faults() - before < 2
        libc.munmap(ctypes.c_void_p(piece + 4096), ctypes.c_size_t(HUGE - 4096))
print("held" if huge < 300 else f"ESCAPED: {2 * huge} MiB are had, and {4 * huge} KiB seen")
# tiers: landlock
# expect: ending=exited:0|out_of_memory  stdout!~"ESCAPED"
