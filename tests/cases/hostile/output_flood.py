# Writes 64 MiB to each stream. What is kept has a bound, and the server does not hold the rest.
import os

for _ in range(1024):
    os.write(1, b"o" * 65536)
    os.write(2, b"e" * 65536)
# expect: ending=exited:0  stdout_bytes=4194304  stderr_bytes=4194304  limit_hit=output  within_ms=9000
