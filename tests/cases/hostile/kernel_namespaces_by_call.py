# Makes or joins namespaces, each of which brings a kernel surface of its own.
# Bad pointers and descriptors: only the filter can be the one that says no.
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
    "unshare user": ((272, 97), 0x10000000),
    "unshare mount": ((272, 97), 0x20000),
    "unshare pid": ((272, 97), 0x20000000),
    "unshare net": ((272, 97), 0x40000000),
    "unshare ipc": ((272, 97), 0x8000000),
    "unshare uts": ((272, 97), 0x4000000),
    "unshare cgroup": ((272, 97), 0x2000000),
    "unshare time": ((272, 97), 0x80),
    "setns": ((308, 268), -1, 0),
}
doors = [name for name, (numbers, *arguments) in calls.items() if not refused(numbers, *arguments)]
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
