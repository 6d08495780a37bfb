# Fills pipes and sockets, whose contents are the kernel's memory and nobody's.
import fcntl, os, socket

total, kept = 0, []
block = b"x" * 65536
try:
    while total < 1 << 30:
        reader, writer = os.pipe()
        kept.append((reader, writer))
        try:
            fcntl.fcntl(writer, 1031, 1 << 20)  # F_SETPIPE_SZ
        except OSError:
            pass
        os.set_blocking(writer, False)
        try:
            while True:
                total += os.write(writer, block)
        except BlockingIOError:
            pass
except OSError:
    pass
print("held" if total <= 256 << 20 else f"ESCAPED: {total >> 20} MiB")
# expect: ending=exited:0|out_of_memory  stdout!~"ESCAPED"  within_ms=9000
