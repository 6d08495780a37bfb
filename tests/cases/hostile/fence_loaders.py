# A public program takes modules from the machinery of imports and uses them; the walls stand behind it.
import sys

doors = []
machinery = sys.modules["_frozen_importlib"]
for name in ("subprocess", "socket", "ctypes", "os", "posix", "shutil", "multiprocessing"):
    for way in (machinery._gcd_import, machinery.__import__, lambda name: sys.modules["importlib"].import_module(name)):
        try:
            module = way(name)
        except Exception:
            continue
        for act, arguments in (("system", ("cat /etc/shadow",)), ("socket", ()), ("check_output", (["/bin/sh", "-c", "id"],)), ("CDLL", ("libnss_files.so.2",))):
            try:
                if hasattr(module, act):
                    doors.append(f"{name}.{act} {getattr(module, act)(*arguments)}")
            except Exception:
                pass
try:
    text = sys.modules["json"].__loader__.get_data("/etc/shadow")
    doors.append("a loader reads")
except OSError:
    pass
doors = [door for door in doors if not door.endswith(("system 32512", "system -1"))]
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# role: public
# expect: ending=exited:0|exited:1  stdout!~"ESCAPED"
