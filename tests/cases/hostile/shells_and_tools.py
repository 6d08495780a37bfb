# Starts shells, package managers and compilers of the host.
import shutil

found = [name for name in "sh bash dash busybox sudo su mount nsenter unshare ip curl wget nc gcc perl apt ssh".split()
         if shutil.which(name, path="/bin:/usr/bin:/sbin:/usr/sbin:/usr/local/bin:/env/bin:/usr/libexec")]
print("ESCAPED: " + ", ".join(found) if found else "held")
# expect: ending=exited:0  stdout="held\n"
