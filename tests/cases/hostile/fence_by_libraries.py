# A public program reaches forbidden modules through the libraries that it may import, and uses them.
import random
import sys
import numpy as np

doors = []


def door(name, way):
    try:
        way()
        doors.append(name)
    except Exception:
        pass


for name in ("os", "posix", "subprocess", "socket", "ctypes", "shutil", "signal", "importlib", "_posixsubprocess"):
    module = sys.modules.get(name) or getattr(random, "_" + name, None)
    if module is None:
        continue
    for act, arguments in (("system", ("true",)), ("fork", ()), ("popen", ("true",)), ("Popen", (["true"],)), ("run", (["true"],)), ("socket", ()),
                           ("CDLL", (None,)), ("kill", (1, 9)), ("execv", ("/bin/true", ["true"])), ("symlink", ("/etc/passwd", "link"))):
        if hasattr(module, act):
            door(f"{name}.{act}", lambda: getattr(module, act)(*arguments))
door("numpy's ctypes", lambda: np.ctypeslib.load_library("libc.so.6", "/lib/x86_64-linux-gnu"))
door("numpy's pickles", lambda: np.load("evil.npy", allow_pickle=True))
door("a loader", lambda: sys.modules["json"].__loader__.load_module("subprocess"))
door("a spec", lambda: sys.modules["json"].__spec__.loader.exec_module(sys))
print("reached: " + ", ".join(doors) if doors else "held")
# role: public
# needs: numpy
# attach evil.npy: "cposix\nsystem\n(S'true'\ntR."
# expect: ending=exited:0|exited:1|forbidden_import  stdout="held\n"
