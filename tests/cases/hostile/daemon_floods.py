# Leaves a daemon behind that ignores signals and writes for ever.
import os, signal

if os.fork() == 0:
    os.setsid()
    for number in range(1, 32):
        try:
            signal.signal(number, signal.SIG_IGN)
        except OSError:
            pass
    while True:
        os.write(1, b"x" * 65536)
print("main is through")
# expect: ending=exited:0  within_ms=3000
