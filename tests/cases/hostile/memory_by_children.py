# Spreads its memory over its children, each below the limit, together far above it.
import os, time

reader, writer = os.pipe()
children = []
for number in range(7):
    child = os.fork()
    if child == 0:
        try:
            hoard = bytearray(250 << 20)
            hoard[::4096] = b"x" * len(hoard[::4096])
            os.write(writer, bytes([number]))
            time.sleep(6)
        finally:
            os._exit(0)
    children.append(child)
os.close(writer)
time.sleep(2.5)
os.set_blocking(reader, False)
try:
    holding = os.read(reader, 100)
except BlockingIOError:
    holding = b""
# Some that had it all may have been killed for the next.
living = [number for number in holding if os.waitpid(children[number], os.WNOHANG)[0] == 0]
print("held" if len(living) <= 2 else f"ESCAPED: {len(living)} x 250 MiB")
# expect: ending=exited:0|out_of_memory  stdout!~"ESCAPED"  limit_hit=memory  within_ms=9000
