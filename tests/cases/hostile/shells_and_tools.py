# Starts shells, package managers and compilers of the host.
import shutil, subprocess

found = []
for name in "sh bash dash busybox sudo su mount nsenter unshare ip curl wget nc gcc perl apt ssh".split():
    tool = shutil.which(name, path="/bin:/usr/bin:/sbin:/usr/sbin:/usr/local/bin:/env/bin:/usr/libexec")
    try:
        if tool:
            subprocess.run([tool, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=5)
            found.append(name)
    except PermissionError:
        pass  # Seen, where the host's files are, and not to be run.
print("ESCAPED: " + ", ".join(found) if found else "held")
# expect: ending=exited:0  stdout="held\n"
