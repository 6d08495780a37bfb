# Reads the processor clocks of the host's processes, and sets timers on them.
import ctypes
import os
import time

libc = ctypes.CDLL(None, use_errno=True)
reached = []
for pid in (1, os.getppid()):
    clock = ~pid << 3 | 2
    try:
        time.clock_gettime(clock)
        reached.append(f"the clock of {pid}")
    except OSError:
        pass
    timer = ctypes.c_int()
    if libc.syscall(222, ctypes.c_int(clock), None, ctypes.byref(timer)) == 0:
        reached.append(f"a timer on {pid}")
own = time.clock_gettime(-6), time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID), time.thread_time()
print(f"ESCAPED: {reached}" if reached else "held" if min(own) > 0 else own)
# tiers: landlock
# expect: ending=exited:0  stdout="held\n"
