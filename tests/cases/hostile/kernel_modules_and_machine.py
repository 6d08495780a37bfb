# Loads modules, starts another kernel, reboots, names the machine, sets its clock.
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
    "init_module": ((175, 105), BAD, 10, BAD),
    "finit_module": ((313, 273), -1, BAD, 0),
    "delete_module": ((176, 106), BAD, 0),
    "kexec_load": ((246, 104), 0, 1, BAD, 0),
    "kexec_file_load": ((320, 294), -1, -1, 1, BAD, 0),
    "reboot": ((169, 142), 0, 0, 0, BAD),
    "sethostname": ((170, 161), BAD, 4),
    "setdomainname": ((171, 162), BAD, 4),
    "settimeofday": ((164, 170), BAD, BAD),
    "clock_settime": ((227, 112), 0, BAD),
    "adjtimex": ((159, 171), BAD),
    "clock_adjtime": ((305, 266), 0, BAD),
    "iopl": ((172, None), 3),
    "ioperm": ((173, None), 0, 8, 1),
    "vhangup": ((153, 58), ),
}
doors = [name for name, (numbers, *arguments) in calls.items() if not refused(numbers, *arguments)]
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
