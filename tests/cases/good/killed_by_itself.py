# Ends by a signal of its own.
import os

os.kill(os.getpid(), 9)
# expect: ending=signal:9  stdout=""  limit_hit=none
