# Kills its process group, in which the server or the zygote must not be.
import os, signal

os.kill(0, signal.SIGKILL)
print("ESCAPED: it lives")
# expect: ending=signal:9  stdout=""
