# Reads, writes, traces and signals other processes by the calls made for debuggers.
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
    "ptrace attach": ((101, 117), 16, 1, 0, 0),
    "ptrace traceme": ((101, 117), 0, 0, 0, 0),
    "ptrace seize": ((101, 117), 0x4206, 1, 0, 0),
    "process_vm_readv": ((310, 270), 1, BAD, 1, BAD, 1, 0),
    "process_vm_writev": ((311, 271), 1, BAD, 1, BAD, 1, 0),
    "process_madvise": (440, -1, BAD, 1, 0, 0),
    "process_mrelease": (448, -1, 0),
    "pidfd_open": (434, 1, 0),
    "pidfd_getfd": (438, -1, 0, 0),
    "pidfd_send_signal": (424, -1, 9, BAD, 0),
    "kcmp": ((312, 272), 1, 1, 0, 0, 0),
    "migrate_pages": ((256, 238), 1, 8, BAD, BAD),
    "move_pages": ((279, 239), 1, 1, BAD, BAD, BAD, 0),
}
doors = [name for name, (numbers, *arguments) in calls.items() if not refused(numbers, *arguments)]
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
