# Calls the kernel by x32 numbers, which a filter that compares plain numbers does not know.
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


X32 = 0x40000000
calls = {"getpid": 39, "open": 2, "socket": 41, "execve": 520, "ptrace": 521, "io_setup": 543}
doors = [name for name, number in calls.items() if machine == 0 and not refused(X32 | number, BAD, BAD, BAD)]
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
