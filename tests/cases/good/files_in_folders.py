# Hands back a file in a folder of its own.
import os

os.makedirs("out/deep")
open("out/deep/x.txt", "w").write("deep")
# return: out/deep/x.txt
# file out/deep/x.txt: "deep"
# expect: ending=exited:0  stdout=""  stderr=""
