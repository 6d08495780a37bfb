# Has eight children at once, which is below the limit.
import os, time

children = 0
for _ in range(8):
    if os.fork() == 0:
        time.sleep(0.5)
        os._exit(0)
    children += 1
print("children", children)
# expect: ending=exited:0  stdout="children 8\n"  stderr=""  limit_hit=none
