# Makes as many children as it can. Ten are allowed beside the program.
import os, time

children = 0
try:
    while children < 200:
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        children += 1
except OSError:
    pass
print("held" if 8 <= children <= 10 else f"ESCAPED: {children} children")
# expect: ending=exited:0  stdout="held\n"  limit_hit=processes  within_ms=3000
