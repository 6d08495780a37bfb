# Makes files until the file system says no: inodes are the kernel's memory too.
import os

made = 0
for folder in (".", "/tmp", "/dev/shm"):
    try:
        for number in range(20000):
            os.close(os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY))
            made += 1
    except OSError:
        pass
print("held" if 1000 <= made <= 4096 else f"ESCAPED: {made} files")
# expect on landlock: ending=signal:9  stdout=""  limit_hit=disk  within_ms=9000
# expect: ending=exited:0  stdout="held\n"  limit_hit=disk  within_ms=9000
# expect on gvisor: ending=exited:0  limit_hit=disk  stdout~"^ESCAPED: 240[0-9]{2} files\\n$"
