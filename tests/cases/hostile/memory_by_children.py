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
            time.sleep(60)
        finally:
            os._exit(0)
    children.append(child)
os.close(writer)
os.set_blocking(reader, False)
# Until each has it all or is dead, however busy the machine is.
holding, dead, end = b"", set(), time.monotonic() + 60
while len(dead | set(holding)) < len(children) and time.monotonic() < end:
    time.sleep(0.1)
    try:
        holding += os.read(reader, 100)
    except BlockingIOError:
        pass
    dead |= {number for number in set(range(7)) - dead if os.waitpid(children[number], os.WNOHANG)[0]}
# Some that had it all may have been killed for the next.
living = set(holding) - dead
print("held" if len(living) <= 2 else f"ESCAPED: {len(living)} x 250 MiB")
# expect: ending=exited:0|out_of_memory  stdout!~"ESCAPED"  limit_hit=memory  within_ms=9000
