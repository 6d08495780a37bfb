# Looks for processes below its own number that it did not start, and reads, moves, stops, ends and waits for them.
import ctypes, os, signal

libc = ctypes.CDLL(None, use_errno=True)
doors = []
for pid in set(range(1, 12)) - {os.getpid()}:
    for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGUSR1, 0):
        try:
            os.kill(pid, number)
            doors.append(f"kill {pid} {number}")
        except OSError:
            pass
    for name in ("maps", "environ", "mem", "exe", "fd", "status", "cmdline"):
        if os.path.lexists(f"/proc/{pid}/{name}") and pid != 1:
            doors.append(f"/proc/{pid}/{name}")
    try:
        os.waitpid(pid, os.WNOHANG)
        doors.append(f"wait {pid}")
    except OSError:
        pass
    for name, *moved in (("sched_setaffinity", {0}), ("setpgid", 0), ("setpriority", 19)):
        try:
            which = [os.PRIO_PROCESS] if name == "setpriority" else []
            getattr(os, name)(*which, pid, *moved)
            doors.append(f"{name} {pid}")
        except OSError:
            pass
    if libc.syscall(310, pid, 8, 1, 8, 1, 0) != -1 or libc.ptrace(16, pid, 0, 0) != -1:
        doors.append(f"trace {pid}")
try:
    os.wait()
    doors.append("a child that is none")
except ChildProcessError:
    pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# tiers: native gvisor
# expect: ending=exited:0  stdout="held\n"
