# Takes the rights from its folders, and from its workspace, before it asks for what lies in them.
import os

os.makedirs("closed/inner")
for name in ("closed/file", "closed/inner/file", "open"):
    with open(name, "w") as file:
        file.write("mine")
for name, mode in (("open", 0o6777), ("closed/inner", 0), ("closed", 0), (".", 0)):
    try:
        os.chmod(name, mode)
    except PermissionError:
        pass  # Where the host's files are, no mode is set.
print("held")
# return: closed/file
# return: closed/inner/file
# return: open
# expect: ending=exited:0  stdout="held\n"  within_ms=3000
