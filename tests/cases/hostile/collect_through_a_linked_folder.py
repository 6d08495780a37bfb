# Hands back a file whose folder is a link.
import os

os.symlink("/etc", "etc")
os.symlink("/proc/self", "self")
os.mkdir("real")
open("real/file", "w").write("mine")
os.symlink("real", "linked")

print("held")
# return: etc/passwd
# return: self/environ
# return: linked/file
# return: real/file
# file etc/passwd: error
# file self/environ: error
# file linked/file: error
# file real/file: "mine"
# expect: ending=exited:0  stdout="held\n"
