# Ignores every signal and burns the processor in many processes.
import os, signal

for number in signal.valid_signals():
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
for _ in range(4):
    try:
        os.fork()
    except OSError:
        pass
while True:
    pass
# limits: wall_ms_max=1000
# expect: ending=timed_out  within_ms=3000
