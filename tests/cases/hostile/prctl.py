# Weakens itself by prctl: marks its memory, takes a tracer, becomes a reaper of others, turns off mitigations.
import ctypes, errno, platform

machine = {"x86_64": 0, "aarch64": 1}[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)
BAD = 8  # An address that is never mapped, so that without the filter the kernel says EFAULT.


def refused(numbers, *arguments):
    number = numbers if isinstance(numbers, int) else numbers[machine]
    if number is None:
        return True
    ctypes.set_errno(0)
    answer = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    return answer == -1 and ctypes.get_errno() in (errno.ENOSYS, errno.EPERM)


calls = {
    "PR_SET_MM": (35, 1, BAD, 0, 0), "PR_SET_PTRACER": (0x59616D61, -1, 0, 0, 0), "PR_SET_CHILD_SUBREAPER": (36, 1, 0, 0, 0),
    "PR_SET_SPECULATION_CTRL": (53, 0, 2, 0, 0), "PR_SET_KEEPCAPS": (8, 1, 0, 0, 0), "PR_CAP_AMBIENT": (47, 2, 0, 0, 0),
    "PR_SET_SECCOMP": (22, 2, BAD, 0, 0),
}
names = [name for name, arguments in calls.items() if libc.prctl(*map(ctypes.c_long, arguments)) >= 0]
print("ESCAPED: " + ", ".join(names) if names else "held")
# expect: ending=exited:0  stdout="held\n"
