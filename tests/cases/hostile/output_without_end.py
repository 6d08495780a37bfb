# Writes for ever, without a line end.
import os

while True:
    os.write(1, b"o" * 65536)
# limits: wall_ms_max=1500
# expect: ending=timed_out  within_ms=4000
