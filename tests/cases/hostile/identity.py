# Looks at who it is: no root, no groups, no capability in any set, no way to get one, a filter in force.
import os

status = dict(line.split(":", 1) for line in open("/proc/self/status"))
troubles = [name for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(status[name], 16)]
if 0 in os.getresuid() + os.getresgid():
    troubles.append("root")
if set(os.getgroups()) - {os.getgid()}:
    troubles.append("groups")
if status["NoNewPrivs"].strip() != "1":
    troubles.append("may gain privileges")
if status["Seccomp"].strip() != "2":
    troubles.append("no filter")
print("ESCAPED: " + ", ".join(troubles) if troubles else "held")
# expect: ending=exited:0  stdout="held\n"
