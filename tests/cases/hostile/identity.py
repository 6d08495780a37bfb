# Looks at who it is: no root, no groups, no capability in any set, no way to get one, a filter in force.
import ctypes, os

status = dict(line.split(":", 1) for line in open("/proc/self/status"))
troubles = [name for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(status.get(name, "0"), 16)]
if 0 in os.getresuid() + os.getresgid():
    troubles.append("root")
if set(os.getgroups()) - {os.getgid()}:
    troubles.append("groups")
if ctypes.CDLL(None).prctl(39, 0, 0, 0, 0) != 1:  # PR_GET_NO_NEW_PRIVS
    troubles.append("may gain privileges")
if status["Seccomp"].strip() != "2":
    troubles.append("no filter")
print("ESCAPED: " + ", ".join(troubles) if troubles else "held")
# expect: ending=exited:0  stdout="held\n"
# expect on gvisor: ending=exited:0  stdout~"^(held|ESCAPED: root)\\n$"
