# Makes folders that it may not look into, and goes on for longer than any watch waits.
import os, time

for mode in (0, 0o100, 0o200, 0o300, 0o400, 0o500):
    os.mkdir(f"shut-{mode:o}", mode)
os.close(os.open("closed", os.O_CREAT | os.O_WRONLY, 0))
time.sleep(0.5)
print("went on")
# expect: ending=exited:0  stdout="went on\n"  limit_hit=none
