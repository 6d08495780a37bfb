# Moves a file so that a device takes its place, which no call that makes one may.
import ctypes, os, stat

libc = ctypes.CDLL(None, use_errno=True)
open("moved", "w").close()
WHITEOUT = 4
libc.syscall(316, -100, b"moved", -100, b"elsewhere", WHITEOUT)
found = [entry.name for entry in os.scandir(".") if stat.S_ISCHR(entry.stat(follow_symlinks=False).st_mode)]
print("ESCAPED: " + ", ".join(found) if found else "held")
# expect: ending=exited:0  stdout="held\n"
