# Makes timers and queued signals, which are the kernel's memory and counted for a user, not for a run.
import ctypes, signal, struct

libc = ctypes.CDLL(None, use_errno=True)
timers = 0
event = struct.pack("<Qii", 0, signal.SIGRTMIN, 0) + bytes(48)
for _ in range(100_000):
    timer = ctypes.c_int()
    if libc.syscall(222, 1, event, ctypes.byref(timer)) != 0:
        break
    timers += 1
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN + 1])
queued = 0
while queued < 100_000 and libc.sigqueue(2, signal.SIGRTMIN + 1, ctypes.c_void_p(1)) == 0:
    queued += 1
print(f"ESCAPED: {timers} timers, {queued} signals" if timers > 4096 or queued > 4096 else "held")
# expect: ending=exited:0  stdout="held\n"
# expect on gvisor: ending=exited:0|out_of_memory|timed_out  stdout!~"[1-9][0-9]* signals"
