# Writes files and hands them back; one was forgotten open.
with open("a.txt", "w") as file:
    file.write("A")
forgotten = open("b.txt", "w")
forgotten.write("B")
import json
json.dump({"c": [1]}, open("c.json", "w"))
# role: public
# return: a.txt
# return: b.txt
# return: c.json
# return: missing.txt
# file a.txt: "A"
# file b.txt: "B"
# file c.json: ~"^\\{.c.: \\[1\\]\\}$"
# file missing.txt: error
# expect: ending=exited:0  stdout=""  stderr=""
