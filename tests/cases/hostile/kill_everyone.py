# Kills everything that it may signal. It must not be more than its own.
import os, signal

for number in (signal.SIGTERM, signal.SIGKILL):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        os.kill(-1, number)
    except OSError:
        pass
print("held")
# expect: ending=exited:0  stdout="held\n"
