# Blocks its own ending: an endless atexit, an endless destructor, a thread that never ends.
import atexit, threading, time

threading.Thread(target=time.sleep, args=(3600,)).start()
atexit.register(time.sleep, 3600)
print("held", flush=True)
# limits: wall_ms_max=1000
# expect: ending=timed_out  within_ms=3000
