# Hands back more than comes back together, and one file that is a byte too large, kept open and still growing.
import os

block = b"x" * (8 << 20)
for number in range(6):
    with open(f"f{number}", "wb") as file:
        file.write(block)
with open("more", "wb") as file:
    file.write(block + b"x")
if os.fork() == 0:
    os.setsid()
    growing = os.open("f0", os.O_WRONLY | os.O_APPEND)
    while True:
        os.write(growing, b"y")
print("held")
# return: f1
# return: f2
# return: f3
# return: more
# return: f4
# return: f4
# return: f5
# return: missing
# file more: error
# file f4: ~"^x+$"
# file f5: error
# file missing: error
# expect: ending=exited:0  stdout="held\n"
