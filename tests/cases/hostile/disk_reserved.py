# Takes room without writing it: beyond the size of a file, and in many files. Either takes no time.
import ctypes, os, time

libc = ctypes.CDLL(None, use_errno=True)
KEEP_SIZE = 1
taken = 0
for number in range(12):
    file = os.open(f"f{number}", os.O_RDWR | os.O_CREAT)
    libc.fallocate(file, KEEP_SIZE, 0, ctypes.c_long(60 << 20))
    taken += os.fstat(file).st_blocks * 512
print("ESCAPED" if taken > 96 << 20 else "held", flush=True)
time.sleep(0.5)
# expect: ending=exited:0  stdout="held\n"
