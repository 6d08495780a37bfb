# Forks and leaves the child the work, for ever: each generation has a new number to be killed by.
import os

while True:
    try:
        if os.fork():
            os._exit(0)
    except OSError:
        pass
# limits: wall_ms_max=1500
# expect: ending=exited:0  stdout=""  within_ms=4000
