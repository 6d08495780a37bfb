# Leaves files in every writable folder, and looks whether an earlier run did.
import os

found = [name for name in os.listdir(".") if name != "your_script.py"]
folders = {"/box/work", "/box/tmp", "/box/shm"}
for folder in ("../tmp", "/tmp", "/dev/shm", "/box", "/var/tmp"):
    try:
        found += [f"{folder}/{name}" for name in os.listdir(folder) if f"{folder}/{name}" not in folders]
    except OSError:
        pass
for folder in (".", "../tmp", "/tmp", "/dev/shm", "/var/tmp"):
    try:
        with open(f"{folder}/left_behind", "w") as file:
            file.write("x")
    except OSError:
        pass
print("ESCAPED: " + ", ".join(found) if found else "held")
# runs: 3
# expect: ending=exited:0  stdout="held\n"
