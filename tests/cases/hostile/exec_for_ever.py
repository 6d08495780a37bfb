# Becomes another program over and over, so that whoever watches it by its memory or its start is misled.
import os, sys

code = "import os, sys; os.execv(sys.executable, [sys.executable, '-S', '-E', '-c', sys.argv[1], sys.argv[1]])"
if os.fork() == 0:
    os.setsid()
os.execv(sys.executable, [sys.executable, "-S", "-E", "-c", code, code])
# limits: wall_ms_max=1000
# expect: ending=timed_out  stdout=""  within_ms=3000
