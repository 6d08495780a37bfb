# Uses 450 of the 512 MiB that it may use, for longer than it takes to be looked at.
import time

memory = bytearray(450 << 20)
for offset in range(0, len(memory), 4096):
    memory[offset] = 1
time.sleep(0.5)
print("fine")
# expect: ending=exited:0  stdout="fine\n"  limit_hit=none
