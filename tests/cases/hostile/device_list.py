# Looks for devices beyond the harmless ones.
import os, stat

harmless = {(1, 3), (1, 5), (1, 7), (1, 8), (1, 9)}  # null, zero, full, random, urandom
found = []
try:
    names = os.listdir("/dev")
except PermissionError:
    names = []  # The host's own: each is opened by another case.
for name in names:
    status = os.lstat("/dev/" + name)
    if stat.S_ISBLK(status.st_mode) or stat.S_ISCHR(status.st_mode) and (os.major(status.st_rdev), os.minor(status.st_rdev)) not in harmless:
        found.append(name)
print("ESCAPED: " + ", ".join(found) if found else "held")
# expect: ending=exited:0  stdout="held\n"
# expect on gvisor: ending=exited:0  stdout~"^(held|ESCAPED: (tty|fuse)(, (tty|fuse))?)\\n$"
