# Calls clone with each namespace flag. Without the filter an own user namespace is free to anyone.
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


import os, signal

flags = {
    "user": 0x10000000, "mount": 0x20000, "pid": 0x20000000, "net": 0x40000000, "ipc": 0x8000000,
    "uts": 0x4000000, "cgroup": 0x2000000, "user and net": 0x50000000, "a descriptor of it": 0x1000,
}
doors = []
for name, flag in flags.items():
    ctypes.set_errno(0)
    pid = libc.syscall(ctypes.c_long((56, 220)[machine]), ctypes.c_long(flag | signal.SIGCHLD), None, None, None, None)
    if pid == 0:
        os._exit(0)
    if pid > 0:
        os.waitpid(pid, 0)
        doors.append(name)
    elif ctypes.get_errno() not in (errno.ENOSYS, errno.EPERM):
        doors.append(f"{name} got to the kernel: {errno.errorcode[ctypes.get_errno()]}")
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
