# Dies of a signal that leaves its memory in a file.
import os, resource

limits = resource.getrlimit(resource.RLIMIT_CORE)
child = os.fork()
if child == 0:
    os.abort()
dumped = os.WCOREDUMP(os.waitpid(child, 0)[1])
files = [name for name in os.listdir(".") if "core" in name]
# One byte is what turns cores off where they go to a program; none is what does elsewhere.
print("held" if limits in ((0, 0), (1, 1)) and not dumped and not files else f"ESCAPED: {limits} {dumped} {files}")
# expect: ending=exited:0  stdout="held\n"
