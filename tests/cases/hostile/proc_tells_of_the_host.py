# Looks in /proc for where files lie on the host, what others send and hold, and who shares its pages.
import os

own = "/proc/self"
names = [f"net/{name}" for name in ("dev", "netlink", "packet", "protocols", "sockstat", "softnet_stat", "unix")]
names += ["autogroup", "fdinfo/0", "map_files", "mountinfo", "mounts", "mountstats", "numa_maps", "pagemap", "smaps", "smaps_rollup", "timers"]
names += ["task/2/mountinfo", "task/2/smaps"]
found = []
for folder in (own, "/proc/thread-self", f"/proc/{os.getpid()}"):
    for name in names:
        try:
            os.read(os.open(f"{folder}/{name}", os.O_RDONLY), 1)
            found.append(f"{folder}/{name}")
        except OSError:
            pass
child = os.fork()
if child == 0:
    os.read(os.pipe()[0], 1)
for name in ("mountinfo", "net/sockstat", "environ", "maps"):
    try:
        os.read(os.open(f"/proc/{child}/{name}", os.O_RDONLY), 1)
        found.append(f"a child's {name}")
    except OSError:
        pass
os.kill(child, 9)
os.waitpid(child, 0)
print("ESCAPED: " + ", ".join(found) if found else "held")
# tiers: native landlock
# expect: ending=exited:0  stdout="held\n"
