# Goes through every process number that there may be, to read it, signal it, bound it, move it and trace it.
import ctypes, os, resource, signal

libc = ctypes.CDLL(None, use_errno=True)
own = os.getpid()
last = max(own, 1) + 5000
doors = []
for pid in range(1, last):
    if pid == own or pid == 1 and os.getppid() == 0:
        continue
    for number in (0, signal.SIGCONT, signal.SIGUSR1):
        try:
            os.kill(pid, number)
            doors.append(f"signal {number} to {pid}")
        except OSError:
            pass
    if not os.path.exists(f"/proc/{pid}"):
        continue
    for name in ("maps", "environ", "mem", "cmdline", "status", "stat", "fd", "root/etc/passwd", "cwd", "net/unix", "mountinfo", "task", "comm"):
        try:
            os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY))
            doors.append(f"/proc/{pid}/{name}")
        except OSError:
            pass
    for name in ("exe", "cwd", "root", "fd/0", "ns/pid"):
        try:
            os.readlink(f"/proc/{pid}/{name}")
            doors.append(f"link /proc/{pid}/{name}")
        except OSError:
            pass
    for name, call in (
        ("bound", lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, 0))),
        ("read bounds of", lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE)),
        ("move", lambda: os.sched_setaffinity(pid, {0})),
        ("set the priority of", lambda: os.setpriority(os.PRIO_PROCESS, pid, 19)),
        ("join the group of", lambda: os.setpgid(0, pid)),
    ):
        try:
            call()
            doors.append(f"{name} {pid}")
        except OSError:
            pass
    attach, seize = 16, 0x4206
    if libc.ptrace(attach, pid, 0, 0) != -1 or libc.ptrace(seize, pid, 0, 0) != -1 or libc.syscall(434, pid, 0) != -1 or libc.syscall(310, pid, 8, 1, 8, 1, 0) != -1:
        doors.append(f"trace {pid}")
print("ESCAPED: " + ", ".join(doors[:20]) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
