# Hands back a file that is huge on paper and nothing on disk.
import os

for name, size in (("small", 20 << 20), ("large", 63 << 20)):
    descriptor = os.open(name, os.O_CREAT | os.O_WRONLY)
    os.ftruncate(descriptor, size)
try:
    os.truncate("large", 100 << 30)
    print("ESCAPED: 100 GiB")
except OSError:
    pass

print("held")
# return: small
# return: large
# file small: error
# file large: error
# expect: ending=exited:0  stdout="held\n"
