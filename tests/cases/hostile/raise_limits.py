# Raises the limits that were set for it.
import os, resource

doors = []
for name in ("CORE", "CPU", "DATA", "FSIZE", "MEMLOCK", "NOFILE", "NPROC", "STACK", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO"):
    kind = getattr(resource, "RLIMIT_" + name)
    soft, hard = resource.getrlimit(kind)
    if hard == resource.RLIM_INFINITY:
        continue
    try:
        resource.setrlimit(kind, (hard + 1, hard + 1))
        doors.append(name)
    except (OSError, ValueError):
        pass
try:
    os.nice(-5)
    doors.append("nice")
except OSError:
    pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
