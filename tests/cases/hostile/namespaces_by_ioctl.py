# Asks the files of its namespaces for the ones above them, and for their owner, also with numbers that are cut.
import fcntl, os

doors = []
names = "cgroup ipc mnt net pid pid_for_children time time_for_children user uts".split()
for name in names:
    try:
        descriptor = os.open("/proc/self/ns/" + name, os.O_RDONLY)
    except OSError:
        continue
    for number in (0xB701, 0xB702, 0xB703, 0xB704, 0x8008B705, 0x8004B706, 0x8004B708):
        try:
            fcntl.ioctl(descriptor, number, bytearray(64))
            doors.append(f"{name} {number:x}")
        except OSError:
            pass
    os.close(descriptor)
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
