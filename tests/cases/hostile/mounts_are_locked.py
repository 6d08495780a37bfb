# Looks at the mounts: nothing but the workspace and temporary folders may be writable, none honours set-id or devices.
import os

troubles = []
for path in ("/", "/usr", "/env", os.path.dirname(os.__file__)):
    if not os.statvfs(path).f_flag & os.ST_RDONLY:
        troubles.append(f"{path} is writable")
for path in ("/", "/usr", os.getcwd(), "/tmp", "/proc"):
    if not os.statvfs(path).f_flag & os.ST_NOSUID:
        troubles.append(f"{path} honours set-id")
for path in (os.getcwd(), "/tmp"):
    if not os.statvfs(path).f_flag & os.ST_NODEV:
        troubles.append(f"{path} honours devices")
print("ESCAPED: " + ", ".join(troubles) if troubles else "held")
# tiers: native
# expect: ending=exited:0  stdout="held\n"
