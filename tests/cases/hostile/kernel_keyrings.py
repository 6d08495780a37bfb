# Reaches for the kernel's keyrings, a memory that outlives a run and is in no namespace.
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
    "add_key": ((248, 217), BAD, BAD, BAD, 1, -3),
    "request_key": ((249, 218), BAD, BAD, 0, -3),
    "keyctl": ((250, 219), 0, -3, 1),
}
doors = [name for name, (numbers, *arguments) in calls.items() if not refused(numbers, *arguments)]
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
