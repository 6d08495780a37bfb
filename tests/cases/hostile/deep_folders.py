# Makes folders in folders, so deep that whoever tidies up by walking falls over.
import os

depth = 0
try:
    while depth < 3000:
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
        depth += 1
except OSError:
    pass
print("held" if depth > 100 else f"ESCAPED: only {depth}")
# return: d
# file d: error
# expect on landlock: ending=signal:9|exited:0|out_of_memory  within_ms=9000
# expect: ending=exited:0  stdout="held\n"  within_ms=9000
