# Imports by a text that says it is another, and looks for native code in the frames that called it.
import sys


class Name(str):
    def partition(self, _):
        return ("math", "", "")


found = []
try:
    found.append(__import__(Name("subprocess")).Popen)
except ImportError:
    pass
frame = sys._getframe()
while frame is not None:
    for value in (*frame.f_globals.values(), *frame.f_locals.values()):
        if getattr(value, "__name__", "") == "ctypes" or "_library" in getattr(value, "__dict__", {}):
            found.append(value)
    frame = frame.f_back
print(f"ESCAPED: {found}" if found else "held")
# role: public
# expect: ending=exited:0|forbidden_import  stdout!~"ESCAPED"
