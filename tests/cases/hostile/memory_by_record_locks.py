# Has the kernel keep record locks, which are memory that nothing counts.
import fcntl
import os

files = [os.open(f"f{number}", os.O_RDWR | os.O_CREAT) for number in range(200)]
made = 0
try:
    for offset in range(0, 20_000, 2):
        for file in files:
            fcntl.lockf(file, fcntl.LOCK_EX, 1, offset)
            made += 1
except OSError:
    pass
print(f"ESCAPED: {made} locks" if made > 100_000 else "held")
# expect: ending=out_of_memory|exited:0  stdout!~"ESCAPED"
# expect on gvisor: ending=out_of_memory|exited:0|timed_out  stdout!~"ESCAPED"
