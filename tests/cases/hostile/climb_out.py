# Climbs above its root by dots, by a kept descriptor and by chroot.
import os

allowed = {"bin", "box", "dev", "env", "etc", "lib", "lib32", "lib64", "proc", "sbin", "tmp", "usr"}
seen = set()


def look(path):
    try:
        seen.update(os.listdir(path))
    except PermissionError:
        pass  # Where the root is not its own, it is shut.


look("/")
kept = os.open("/", os.O_PATH)
for _ in range(64):
    os.chdir("..")
look(".")
os.fchdir(kept)
os.chdir("../../..")
look(".")
look("/proc/self/root/../../..")
os.chdir("/box/work" if os.path.isdir("/box/work") else os.path.dirname(__file__))
try:
    os.makedirs("../tmp/jail")
    os.chroot("../tmp/jail")
    seen.add("chroot")
except OSError:
    pass
if "sys" in seen and not os.listdir("/sys"):
    seen.remove("sys")  # Empty, where gVisor would put its own.
print("ESCAPED: " + ", ".join(sorted(seen - allowed)) if seen - allowed else "held")
# expect: ending=exited:0  stdout="held\n"
