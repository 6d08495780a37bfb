# Closes its streams at once and goes on, so that whoever waits for their end is misled.
import os, time

for descriptor in (0, 1, 2):
    os.close(descriptor)
time.sleep(0.5)
os._exit(7)
# expect: ending=exited:7  stdout=""  stderr=""  within_ms=3000
