# Swaps a file for a link all the time, by a child that is still at it when the program ends.
import os, time

open("good", "w").write("mine")
if os.fork() == 0:
    os.close(1)
    while True:
        os.symlink("/etc/passwd", "temporary")
        os.replace("temporary", "swapped")
        open("temporary", "w").write("mine")
        os.replace("temporary", "swapped")
time.sleep(0.1)

print("held")
# return: good
# file good: "mine"
# expect: ending=exited:0  stdout="held\n"  within_ms=3000
