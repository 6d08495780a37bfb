# Where the host runs out of memory the kernel is to end runs before anything else: tries to get out of that.
# (What gVisor's own kernel keeps of this is nothing to the host, which knows the sandbox by other numbers.)
import os

doors = []
for process in ("self", "thread-self", "1", str(os.getppid()), str(os.getpid())):
    for name, value in {"oom_score_adj": "-1000", "oom_score_adj ": "0", "oom_adj": "-17"}.items():
        try:
            with open(f"/proc/{process}/{name.strip()}", "w") as file:
                file.write(value)
            doors.append(f"{process}/{name.strip()}")
        except OSError:
            pass
try:
    with open("/proc/self/oom_score_adj") as file:
        if int(file.read()) < 1000:
            doors.append("it was not first")
except OSError:
    pass  # Not to be seen is as good.
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
# expect on gvisor: ending=exited:0
