# Starts another Python.
import subprocess, sys

print(subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True, check=True).stdout, end="")
# expect: ending=exited:0  stdout="42\n"  stderr=""
