# Renames, removes, relinks and relabels files of the interpreter that other runs share.
import os

target = os.__file__
doors = []
for name, attempt in {
    "remove": lambda: os.remove(target),
    "rename": lambda: os.rename(target, target + ".old"),
    "replace": lambda: os.replace("your_script.py", target),
    "chmod": lambda: os.chmod(target, 0o777),
    "chown": lambda: os.chown(target, os.getuid(), os.getgid()),
    "utime": lambda: os.utime(target, (0, 0)),
    "truncate": lambda: os.truncate(target, 0),
    "link": lambda: os.link(target, "/tmp/linked"),
    "xattr": lambda: os.setxattr(target, "user.mark", b"x"),
    "rmdir": lambda: os.rename(os.path.dirname(target), "/tmp/away"),
}.items():
    try:
        attempt()
        doors.append(name)
    except OSError:
        pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
