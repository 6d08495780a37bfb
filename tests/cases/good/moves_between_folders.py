# Moves and links files and folders from one folder into another.
import os, shutil

os.makedirs("from/deep")
os.mkdir("to")
with open("from/a", "w") as file:
    file.write("A")
os.rename("from/a", "to/a")
os.link("to/a", "from/linked")
os.replace("from/linked", "b")
os.rename("from/deep", "to/deep")
os.replace("b", "/tmp/b")
shutil.move("/tmp/b", "to/deep")
os.remove("to/a")
print(sorted(os.walk("to")), os.listdir("from"))
# return: to/deep/b
# file to/deep/b: "A"
# tiers: native
# expect: ending=exited:0  stdout="[('to', ['deep'], []), ('to/deep', [], ['b'])] []\n"  stderr=""
