# Takes away the rights on its own file; that must fail no more than this file.
import os

os.write(os.open("closed", os.O_CREAT | os.O_WRONLY, 0), b"mine")
open("open", "w").write("mine")
os.mkdir("folder")
open("folder/inner", "w").write("mine")
os.mkdir("shut", 0)
try:
    os.chmod("folder", 0)
except PermissionError:
    pass  # Where the host's files are, no mode is set.

print("held")
# return: open
# file open: "mine"
# expect: ending=exited:0  stdout="held\n"
