# Brings a program along and starts it: by path, by /proc and from the temporary folder.
import os, shutil, subprocess, sys

doors = []
for path in ("./program", "/tmp/program", "/dev/shm/program"):
    try:
        shutil.copyfile(os.path.realpath(sys.executable), path)
        os.chmod(path, 0o755)
        subprocess.run([path, "-I", "-c", "pass"], check=True, capture_output=True)
        doors.append(path)
    except (OSError, subprocess.CalledProcessError):
        pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
