# Leaves threads behind that burn the processor in C and in Python, as daemons, with a thread that ends the first one.
import ctypes, os, threading


def burn():
    while True:
        sum(range(1 << 20))


for _ in range(4):
    threading.Thread(target=burn, daemon=True).start()
print("main ends", flush=True)
threading.Thread(target=lambda: ctypes.CDLL(None).syscall(60, 0)).start()
os.write(1, b"held\n")
ctypes.CDLL(None).syscall(60, 7)
# limits: wall_ms_max=1000
# expect: ending=timed_out|exited:0|exited:7  within_ms=3000
