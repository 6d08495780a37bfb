# Stops itself, to sit in its slot for ever.
import os, signal

os.kill(os.getpid(), signal.SIGSTOP)
print("ESCAPED: it went on")
# limits: wall_ms_max=1000
# expect: ending=timed_out  stdout=""  within_ms=3000
