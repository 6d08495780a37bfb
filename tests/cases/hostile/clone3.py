# Calls clone3, whose flags lie in memory where a filter cannot see them. It must not exist.
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


answer = libc.syscall(ctypes.c_long(435), ctypes.c_long(BAD), ctypes.c_long(88))
held = answer == -1 and ctypes.get_errno() == errno.ENOSYS
print("held" if held else f"ESCAPED: {errno.errorcode.get(ctypes.get_errno())}")
# expect: ending=exited:0  stdout="held\n"
