# Moves its workspace into another folder and puts a link, or a workspace of its own, in its place.
import os

with open("mine", "w") as file:
    file.write("mine")
os.mkdir("/tmp/other")
os.symlink("/etc/passwd", "/tmp/other/passwd")
with open("/tmp/other/mine", "w") as file:
    file.write("not mine")
for before, after in (("/box/work", "/tmp/moved"), ("/tmp/other", "/box/work")):
    try:
        os.rename(before, after)
    except OSError:
        pass
print("held")
# return: mine
# file mine: ~"^(not )?mine$"
# return: passwd
# return: ../tmp/moved/mine
# file passwd: error
# file ../tmp/moved/mine: error
# expect: ending=exited:0  stdout="held\n"
