# Hands back a file with two names, which may be a file of somebody else.
import os

open("one", "w").write("x")
os.link("one", "two")

print("held")
# return: one
# return: two
# file one: error
# file two: error
# expect: ending=exited:0  stdout="held\n"
