# Makes, renames, removes and opens for writing what is not in its own folders.
import os

doors = []
for folder in ("/", "/usr", "/usr/bin", "/usr/lib", "/usr/lib/hognose", "/env", "/env/lib", "/etc", "/sys", "/proc", "/proc/sys", os.path.dirname(os.__file__)):
    for way in (os.mkdir, os.mkfifo, lambda path: os.close(os.open(path, os.O_CREAT | os.O_WRONLY)), lambda path: os.symlink("x", path)):
        try:
            way(folder + "/made")
            doors.append("made in " + folder)
        except OSError:
            pass
for path in (os.__file__, "/etc/passwd", "/usr/lib/hognose/guard.py", "/env/pyvenv.cfg"):
    for way in (
        os.unlink,
        lambda path: os.rename(path, path + "2"),
        lambda path: os.rename(path, "/tmp/taken"),
        lambda path: os.close(os.open(path, os.O_WRONLY)),
        lambda path: os.close(os.open(path, os.O_RDWR | os.O_TRUNC)),
        lambda path: os.link(path, "/tmp/linked"),
        lambda path: os.chmod(path, 0o777),
        lambda path: os.chown(path, os.getuid(), -1),
        lambda path: os.utime(path, (1, 1)),
        lambda path: os.truncate(path, 0),
    ):
        try:
            way(path)
            doors.append(f"changed {path}")
        except OSError:
            pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
