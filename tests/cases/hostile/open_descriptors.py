# Opens descriptors until refused, and asks for more.
import os, resource

kept = []
try:
    while len(kept) < 5000:
        kept.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
number = len(kept)
for descriptor in kept:
    os.close(descriptor)
print("held" if 100 <= number <= 1024 else f"ESCAPED: {number}")
# expect: ending=exited:0  stdout="held\n"
