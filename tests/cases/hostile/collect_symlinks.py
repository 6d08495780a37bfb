# Hands back links to files outside, relative, absolute, in a chain, and through /proc.
import os

os.symlink("/etc/passwd", "absolute")
os.symlink("../../../../../etc/passwd", "relative")
os.symlink("absolute", "chain")
os.symlink("/proc/self/environ", "magic")
os.symlink("/proc/1/environ", "init")
os.symlink("your_script.py", "inside")
os.symlink("loop", "loop")

print("held")
# return: absolute
# return: relative
# return: chain
# return: magic
# return: init
# return: inside
# return: loop
# file absolute: error
# file relative: error
# file chain: error
# file magic: error
# file init: error
# file inside: error
# file loop: error
# expect: ending=exited:0  stdout="held\n"
