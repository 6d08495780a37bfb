# Moves its workspace into another folder and puts a link, or a workspace of its own, in its place.
import os

with open("mine", "w") as file:
    file.write("mine")
work = os.getcwd()
temporary = os.path.dirname(work) + "/tmp"
os.mkdir(temporary + "/other")
os.symlink("/etc/passwd", temporary + "/other/passwd")
with open(temporary + "/other/mine", "w") as file:
    file.write("not mine")
for before, after in ((work, temporary + "/moved"), (temporary + "/other", work)):
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
