# A public program gets round the import list; the walls stand behind it.
import random

os = random._os
doors = []
for path in ("/etc/shadow", "/root/.bashrc", "/proc/1/environ", "/proc/1/root/etc/shadow"):
    try:
        os.close(os.open(path, os.O_RDONLY))
        doors.append(path)
    except OSError:
        pass
for key in os.environ:
    if "KEY" in key or "HOGNOSE" in key:
        doors.append(key)
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# role: public
# expect: ending=exited:0  stdout="held\n"
# expect on gvisor: ending=exited:0  stdout="ESCAPED: /proc/1/environ\n"
