# Makes device nodes, by which a disk or the memory could be read.
import os, stat

doors = []
for name, kind, major, minor in (("null", stat.S_IFCHR, 1, 3), ("mem", stat.S_IFCHR, 1, 1), ("disk", stat.S_IFBLK, 8, 0), ("vda", stat.S_IFBLK, 254, 0)):
    for folder in (".", "/tmp", "/dev/shm", "/dev"):
        try:
            os.mknod(os.path.join(folder, name), kind | 0o666, os.makedev(major, minor))
            doors.append(f"{folder}/{name}")
        except OSError:
            pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
