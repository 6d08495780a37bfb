# Writes bytes that become longer on their way: no text, which is replaced, and control characters, which JSON spells out.
import os, sys

block = b"\xff" * 65536
for _ in range(64):
    os.write(1, block)
    os.write(2, b"\0" * 65536)
# expect: ending=exited:0  stdout_bytes=12582912  stderr_bytes=4194304  within_ms=5000
