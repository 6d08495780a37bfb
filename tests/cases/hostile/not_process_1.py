# Ends itself by a signal that process 1 would shrug off.
import os, signal

if os.getpid() == 1:
    print("ESCAPED: it is process 1")
os.kill(os.getpid(), signal.SIGTERM)
print("ESCAPED: it lives")
# expect: ending=signal:15  stdout=""
