# Keeps deleted files by rules of Landlock: no process has them open.
import ctypes, os, time

libc = ctypes.CDLL(None, use_errno=True)
READ_FILE = 4
handled = ctypes.c_uint64(READ_FILE)
rules = libc.syscall(444, ctypes.byref(handled), 8, 0)
bytes_kept = 0
try:
    for _ in range(24):
        with open("file", "wb") as file:
            for _ in range(16):
                file.write(bytes(1 << 20))
            file.flush()
            rule = READ_FILE.to_bytes(8, "little") + file.fileno().to_bytes(4, "little")
            if libc.syscall(445, rules, 1, rule, 0) == 0:
                bytes_kept += file.tell()
        os.unlink("file")
        time.sleep(0.03)
except OSError:
    pass
print("held" if bytes_kept <= 128 << 20 else f"ESCAPED: {bytes_kept >> 20} MiB")
# expect: ending=exited:0|signal:9|out_of_memory  stdout!~"ESCAPED"  limit_hit=disk|memory|none
