# Takes away the rights on its own file; that must fail no more than this file.
import os

open("closed", "w").write("mine")
os.chmod("closed", 0)
open("open", "w").write("mine")
os.mkdir("folder")
open("folder/inner", "w").write("mine")
os.chmod("folder", 0)

print("held")
# return: open
# file open: "mine"
# expect: ending=exited:0  stdout="held\n"
