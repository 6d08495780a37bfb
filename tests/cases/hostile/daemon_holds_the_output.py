# Leaves a daemon behind that holds standard output. The answer must not wait for it.
import os, time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(60)
        print("ESCAPED: the daemon lived")
    os._exit(0)
os.wait()
print("held")
# expect: ending=exited:0  stdout="held\n"  within_ms=2000
