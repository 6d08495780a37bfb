# Ends itself by a signal that process 1 would shrug off.
import os, signal

if os.getpid() == 1:
    print("ESCAPED: it is process 1", flush=True)
os.kill(os.getpid(), signal.SIGTERM)
print("ESCAPED: it lives")
# expect on gvisor: ending=signal:15  stdout="ESCAPED: it is process 1\n"
# expect: ending=signal:15  stdout=""
