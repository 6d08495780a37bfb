# Hands back pipes, on which a reader would wait for ever, and a folder.
import os

os.mkfifo("pipe")
os.mkdir("folder")

print("held")
# return: pipe
# return: folder
# file pipe: error
# file folder: error
# expect: ending=exited:0  stdout="held\n"  within_ms=3000
