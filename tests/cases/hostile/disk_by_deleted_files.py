# Fills the disk with files that have no name any more, with holes filled later, and with links instead of files.
import os

total, kept, doors = 0, [], []
try:
    while total < 512 << 20 and len(kept) < 200:
        descriptor = os.open(("/tmp", "/dev/shm", ".")[len(kept) % 3], os.O_TMPFILE | os.O_RDWR, 0o600)
        kept.append(descriptor)
        os.posix_fallocate(descriptor, 0, 1 << 20)
        total += 1 << 20
except OSError:
    pass
if total > 64 << 20:
    doors.append(f"{total >> 20} MiB without a name")
for descriptor in kept:
    os.close(descriptor)
with open("one", "w") as file:
    file.write("x")
links = 0
try:
    while links < 20_000:
        os.link("one", f"/tmp/{links}") if links % 2 else os.symlink("x" * 4000, f"/tmp/{links}")
        links += 1
except OSError:
    pass
if links > 4096:
    doors.append(f"{links} links")
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0|out_of_memory  stdout!~"ESCAPED"  limit_hit=disk|memory|none
