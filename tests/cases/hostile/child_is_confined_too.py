# Starts another Python, which must stand behind the same walls.
import subprocess, sys

program = """
import os, socket
try:
    socket.socket()
    print("socket")
except OSError:
    pass
import ctypes
libc = ctypes.CDLL(None)
sets = (ctypes.c_uint32 * 6)()
libc.capget((ctypes.c_uint32 * 2)(0x20080522, 0), sets)
get_seccomp, get_no_new_privs = 21, 39
if libc.prctl(get_seccomp, 0, 0, 0, 0) != 2 or libc.prctl(get_no_new_privs, 0, 0, 0, 0) != 1 or any(sets):
    print("walls")
"""
ended = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True)
print("held" if ended.returncode == 0 and not ended.stdout else f"ESCAPED: {ended}")
# expect: ending=exited:0  stdout="held\n"
