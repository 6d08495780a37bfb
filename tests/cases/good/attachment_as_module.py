# An admin imports a file that came with the request.
import helper

print(helper.x)
# attach helper.py: "x = 5"
# expect: ending=exited:0  stdout="5\n"  stderr=""
