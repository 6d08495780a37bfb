# Writes bytes that become longer on their way: no text, which is replaced, and control characters, which JSON spells out.
import os, sys



def write(descriptor, block):
    while block:
        block = block[os.write(descriptor, block):]


for _ in range(64):
    write(1, b"\xff" * 65536)
    write(2, b"\0" * 65536)
# expect: ending=exited:0  stdout_bytes=12582912  stderr_bytes=4194304  within_ms=5000
# expect on gvisor: ending=exited:0  stdout_bytes=12582912  stderr_bytes=4194304  within_ms=20000
