# Kills its parent, the process that is to tell how it ended.
import os, signal, time

if os.getppid():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGSTOP, signal.SIGKILL):
        try:
            os.kill(os.getppid(), number)
        except OSError:
            pass
time.sleep(0.1)
print("held")
# expect: ending=exited:0  stdout="held\n"
