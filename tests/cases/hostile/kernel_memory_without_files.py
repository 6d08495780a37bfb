# Makes memory that no limit on files counts, and secret memory.
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
    "memfd_create": ((319, 279), BAD, 0),
    "memfd_secret": (447, 0xFFFF),
    "remap_file_pages": ((216, 234), BAD, 0, 0, 0, 0),
    "vmsplice": ((278, 75), -1, BAD, 1, 0),
    "mbind": ((237, 235), BAD, 1, 9, BAD, 0, 0),
    "set_mempolicy": ((238, 237), 9, BAD, 0),
}
doors = [name for name, (numbers, *arguments) in calls.items() if not refused(numbers, *arguments)]
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
