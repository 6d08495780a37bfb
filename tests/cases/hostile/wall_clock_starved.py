# Keeps both streams full of one-byte packets, so that their reader never finds them empty and the clock is never looked at.
import ctypes
import fcntl
import os

libc = ctypes.CDLL(None)
reader, writer = os.pipe2(os.O_DIRECT)
fcntl.fcntl(writer, 1031, 1 << 20)
for _ in range(256):
    os.write(writer, b"x")
for stream in (1, 2):
    fcntl.fcntl(stream, 1031, 1 << 20)
stream = 1
for number in range(8):
    if os.fork() == 0:
        stream = 1 + number % 2
        break
while True:
    libc.syscall(276, reader, stream, 1 << 20, 0)  # tee
# limits: wall_ms_max=1000
# expect: ending=timed_out  within_ms=3000
# expect on gvisor: ending=exited:1|timed_out  within_ms=3000
