# Makes children that end and are never waited for, and orphans that somebody else must bury.
import os

made = 0
for _ in range(300):
    try:
        child = os.fork()
    except OSError:
        break
    if child == 0:
        try:
            if os.fork() == 0:
                os._exit(0)
        except OSError:
            pass
        os._exit(0)
    made += 1
print("held" if made <= 10 else f"ESCAPED: {made}")
# expect: ending=exited:0  stdout="held\n"  limit_hit=processes
