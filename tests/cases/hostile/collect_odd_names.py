# Hands back files by names that lead elsewhere, or nowhere.
import os

open("plain", "w").write("mine")
open("a b", "w").write("mine")
open("-rf", "w").write("mine")
os.mkdir("sub")
open("sub/..file", "w").write("mine")

print("held")
# return: ../plain
# return: /box/work/plain
# return: sub/../plain
# return: plain/
# return: plain/.
# return: ./../work/plain
# return: -rf
# return: ./plain
# return: sub/.//..file
# file ../plain: error
# file /box/work/plain: error
# file sub/../plain: error
# file plain/: error
# file plain/.: error
# file ./../work/plain: error
# file -rf: "mine"
# file ./plain: "mine"
# file sub/.//..file: "mine"
# expect: ending=exited:0  stdout="held\n"
