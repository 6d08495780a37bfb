# Has memory in processes that are hard to look into: with a name that is no text, and without a first thread.
import _thread
import ctypes
import os
import time

libc = ctypes.CDLL(None)
reader, writer = os.pipe()


def hoard(number):
    memory = bytearray(200 << 20)
    memory[::4096] = b"x" * len(memory[::4096])
    os.write(writer, bytes([number]))
    time.sleep(6)
    os._exit(0)


if os.fork() == 0:
    os._exit(0)  # Nobody waits for this one.
children = []
for number in range(5):
    child = os.fork()
    if child == 0:
        libc.prctl(15, b"\xff", 0, 0, 0)
        if number % 2:
            libc.prctl(4, 0, 0, 0, 0)
        if number < 3:
            _thread.start_new_thread(hoard, (number,))
            libc.syscall(60, 0)
        hoard(number)
    children.append(child)
os.close(writer)
time.sleep(2.5)
os.set_blocking(reader, False)
try:
    holding = os.read(reader, 100)
except BlockingIOError:
    holding = b""
living = [number for number in holding if os.waitpid(children[number], os.WNOHANG)[0] == 0]
print("held" if len(living) <= 2 else f"ESCAPED: {len(living)} x 200 MiB")
# expect: ending=exited:0|out_of_memory  stdout!~"ESCAPED"
