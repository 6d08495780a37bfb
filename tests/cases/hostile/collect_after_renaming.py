# Renames its workspace away, replaces it, and hands back what is then found by its name.
import os

work = os.getcwd()
for attempt in (lambda: os.rename(work, "/tmp/away"), lambda: os.rename(work, work + "2"), lambda: os.rmdir(work),
                lambda: os.symlink("/etc", work + "/../work2"), lambda: os.rename("/box", "/tmp/box")):
    try:
        attempt()
    except OSError:
        pass
os.chdir("/")

print("held")
# return: passwd
# file passwd: error
# expect: ending=exited:0  stdout="held\n"
