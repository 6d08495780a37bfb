# Starts another Python, which must stand behind the same walls.
import subprocess, sys

program = """
import os, socket
try:
    socket.socket()
    print("socket")
except OSError:
    pass
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
if status["Seccomp"].strip() != "2" or int(status["CapEff"], 16) or not os.getuid():
    print("walls")
"""
ended = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True)
print("held" if ended.returncode == 0 and not ended.stdout else f"ESCAPED: {ended}")
# expect: ending=exited:0  stdout="held\n"
