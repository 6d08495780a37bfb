# Goes through the doors that /proc has into process 1.
import os

doors = []
for pid in {1, os.getppid()} - {0}:
    for name in ("environ", "mem", "maps", "stack", "syscall", "auxv", "io"):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as file:
                file.read(1)
            doors.append(f"{pid}/{name}")
        except OSError:
            pass
    for name in ("root", "cwd", "exe", "fd", "map_files", "task/%d/root" % pid):
        try:
            os.listdir(f"/proc/{pid}/{name}") if name in ("fd", "map_files", "root", "cwd") else os.readlink(f"/proc/{pid}/{name}")
            doors.append(f"{pid}/{name}")
        except OSError:
            pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
# expect on gvisor: ending=exited:0  stdout~"^ESCAPED: (1/[a-z/1]+(, |\\n))+$"
