# Forks, waits, and passes results through pipes.
import os

reader, writer = os.pipe()
for number in range(4):
    if os.fork() == 0:
        os.write(writer, bytes([number]))
        os._exit(number)
codes = sorted(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(4))
print(codes, sorted(os.read(reader, 10)))
# expect: ending=exited:0  stdout="[0, 1, 2, 3] [0, 1, 2, 3]\n"  stderr=""
