# Mounts, by the old call and by the seven new ones that lists of forbidden calls forget.
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
    "mount": ((165, 40), BAD, BAD, BAD, 0, BAD),
    "umount2": ((166, 39), BAD, 0),
    "pivot_root": ((155, 41), BAD, BAD),
    "chroot": ((161, 51), BAD),
    "open_tree": (428, -100, BAD, 1),
    "move_mount": (429, -1, BAD, -1, BAD, 0),
    "fsopen": (430, BAD, 0),
    "fsconfig": (431, -1, 0, BAD, BAD, 0),
    "fsmount": (432, -1, 0, 0),
    "fspick": (433, -100, BAD, 0),
    "mount_setattr": (442, -1, BAD, 0, BAD, 32),
    "statmount": (457, BAD, BAD, 10, 0),
    "listmount": (458, BAD, BAD, 10, 0),
    "open_tree_attr": (467, -100, BAD, 0, BAD, 32),
    "swapon": ((167, 224), BAD, 0),
    "quotactl": ((179, 60), 0, BAD, 0, BAD),
    "acct": ((163, 89), BAD),
}
doors = [name for name, (numbers, *arguments) in calls.items() if not refused(numbers, *arguments)]
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
