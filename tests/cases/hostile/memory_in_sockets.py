# Leaves pages in the queues of sockets, one byte of each, and takes them from the file. (gVisor copies the byte and keeps no page.)
import os
import socket
import time

file = os.open("pages", os.O_RDWR | os.O_CREAT)
reader, writer = os.pipe()
pages, pairs = 0, []
try:
    while pages < 230_000 and len(pairs) < 100:
        one, other = socket.socketpair()
        one.setblocking(False)
        pairs.append((one, other))
        while True:
            os.ftruncate(file, 0)
            os.pwrite(file, b"x" * 65536, 0)
            for number in range(16):
                os.splice(file, writer, 1, offset_src=number * 4096)
            try:
                pages += os.splice(reader, one.fileno(), 16)
            except BlockingIOError:
                os.read(reader, 16)
                break
except OSError:
    pass
os.ftruncate(file, 0)
time.sleep(1)
print(f"ESCAPED: {pages >> 8} MiB" if pages >> 8 > 600 else "held")
# expect: ending=exited:0|out_of_memory  stdout!~"ESCAPED"
# expect on gvisor: ending=exited:0|out_of_memory|timed_out
