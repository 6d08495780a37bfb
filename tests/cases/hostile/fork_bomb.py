# Forks in every process for ever. The run ends at its time, and the server lives on.
import os

while True:
    try:
        os.fork()
    except OSError:
        pass
# limits: wall_ms_max=1500
# expect: ending=timed_out  within_ms=4000
