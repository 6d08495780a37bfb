# Makes as many threads as it can. They count with the children.
import threading, time

threads = 0
try:
    while threads < 200:
        threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
        threads += 1
except RuntimeError:
    pass
print("held" if 8 <= threads <= 10 else f"ESCAPED: {threads} threads")
# expect: ending=exited:0  stdout="held\n"  limit_hit=processes  within_ms=3000
