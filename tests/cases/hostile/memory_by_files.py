# Fills every writable folder. Files are memory: together they are at most the workspace's limit.
import os

total = 0
block = b"x" * (1 << 20)
for folder in (".", "/tmp", "/dev/shm", "/box", "/var/tmp", "/run"):
    for number in range(16):
        try:
            descriptor = os.open(f"{folder}/fill{number}", os.O_CREAT | os.O_WRONLY)
            while total < 1 << 30:
                total += os.write(descriptor, block)
        except OSError:
            pass
print("held" if total <= 64 << 20 else f"ESCAPED: {total >> 20} MiB")
# expect on landlock: ending=signal:9  limit_hit=disk  within_ms=9000
# expect: ending=exited:0|out_of_memory  stdout!~"ESCAPED"  limit_hit=disk  within_ms=9000
# expect on gvisor: ending=exited:0  limit_hit=disk  stdout~"^ESCAPED: 12[0-8] MiB\\n$"
