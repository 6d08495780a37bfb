# Eight children read what their parent has made: it is there once, and counted once.
import os
import time

data = bytearray(300 << 20)
for offset in range(0, len(data), 4096):
    data[offset] = 1
children = []
for number in range(8):
    child = os.fork()
    if child == 0:
        same = sum(data[offset] for offset in range(0, len(data), 4096)) == 300 << 8
        time.sleep(1)
        os._exit(0 if same else 1)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
# expect: ending=exited:0  stdout="[0, 0, 0, 0, 0, 0, 0, 0]\n"
