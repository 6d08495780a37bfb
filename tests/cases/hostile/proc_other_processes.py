# Looks for processes of others: the server, the keeper, the zygote, another run.
import os

mine = {1, os.getpid()}
try:
    others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in mine]
except PermissionError:
    others = []
for pid in range(2, 400):
    if pid not in mine:
        try:
            os.kill(pid, 0)
            others.append(str(pid))
        except ProcessLookupError:
            pass
        except PermissionError:
            others.append(str(pid))
print("ESCAPED: " + ", ".join(others) if others else "held")
# tiers: native gvisor
# expect: ending=exited:0  stdout="held\n"
