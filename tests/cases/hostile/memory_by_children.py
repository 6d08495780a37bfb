# Spreads its memory over its children, each below the limit, together far above it.
import os, time

reader, writer = os.pipe()
for _ in range(7):
    if os.fork() == 0:
        try:
            hoard = bytearray(250 << 20)
            hoard[::4096] = b"x" * len(hoard[::4096])
            os.write(writer, b"x")
            time.sleep(3)
        finally:
            os._exit(0)
os.close(writer)
time.sleep(2.5)
os.set_blocking(reader, False)
try:
    holding = len(os.read(reader, 100))
except BlockingIOError:
    holding = 0
print("held" if holding <= 2 else f"ESCAPED: {holding} x 250 MiB")
# expect: ending=exited:0|out_of_memory  stdout!~"ESCAPED"  limit_hit=memory  within_ms=9000
