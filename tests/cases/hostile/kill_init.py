# Sends every signal to process 1.
import os, signal

for number in signal.valid_signals():
    try:
        os.kill(1, number)
    except OSError:
        pass
print("held")
# expect: ending=exited:0  stdout="held\n"
# expect on gvisor: ending=signal:1
