# Brings a program of the host's kind and a folder's link as attachments: they are data, and neither runnable nor linked.
import os, stat, subprocess

doors = []
for name in ("tool", "your_script.pyc"):
    status = os.lstat(name)
    if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o7111 or status.st_nlink != 1:
        doors.append(f"{name} is {stat.filemode(status.st_mode)}")
    try:
        os.chmod(name, 0o4755)
    except PermissionError:
        pass  # Nor may its mode be set.
    try:
        subprocess.run(["./" + name])
        doors.append(name + " ran")
    except OSError:
        pass
if sorted(set(os.listdir(".")) - {"your_script.py"}) != ["tool", "your_script.pyc"]:
    doors.append(f"beside it: {os.listdir('.')}")
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# attach a/b/tool: "#!/env/bin/python3\nprint('ran')"
# attach your_script.pyc: "\u0000\u0001"
# expect: ending=exited:0  stdout="held\n"
