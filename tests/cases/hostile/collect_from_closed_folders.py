# Takes the rights from its folders, and from its workspace, before it asks for what lies in them.
import os

os.makedirs("closed/inner")
for name in ("closed/file", "closed/inner/file", "open"):
    with open(name, "w") as file:
        file.write("mine")
os.chmod("open", 0o6777)
os.chmod("closed/inner", 0)
os.chmod("closed", 0)
os.chmod(".", 0)
print("held")
# return: closed/file
# return: closed/inner/file
# return: open
# expect: ending=exited:0  stdout="held\n"  within_ms=3000
