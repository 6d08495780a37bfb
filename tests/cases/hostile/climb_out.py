# Climbs above its root by dots, by a kept descriptor and by chroot.
import os

allowed = {"bin", "box", "dev", "env", "etc", "lib", "lib32", "lib64", "proc", "sbin", "tmp", "usr"}
kept = os.open("/", os.O_RDONLY)
seen = set(os.listdir("/"))
for _ in range(64):
    os.chdir("..")
seen |= set(os.listdir("."))
os.fchdir(kept)
os.chdir("../../..")
seen |= set(os.listdir(".")) | set(os.listdir("/proc/self/root/../../.."))
try:
    os.makedirs("/tmp/jail")
    os.chroot("/tmp/jail")
    seen.add("chroot")
except OSError:
    pass
print("ESCAPED: " + ", ".join(sorted(seen - allowed)) if seen - allowed else "held")
# expect: ending=exited:0  stdout="held\n"
