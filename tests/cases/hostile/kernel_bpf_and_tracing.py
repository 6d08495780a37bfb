# Loads programs into the kernel and listens to its counters.
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
    "bpf": ((321, 280), 5, BAD, 128),
    "perf_event_open": ((298, 241), BAD, 0, -1, -1, 0),
    "userfaultfd": ((323, 282), 0),
    "lookup_dcookie": ((212, 18), 0, BAD, 10),
    "fanotify_init": ((300, 262), 0xFFFF, 0),
    "syslog": ((103, 116), 3, BAD, 10),
}
doors = [name for name, (numbers, *arguments) in calls.items() if not refused(numbers, *arguments)]
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
