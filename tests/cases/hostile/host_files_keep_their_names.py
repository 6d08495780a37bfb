# Renames, links, replaces, cuts and watches files that it may only read or see, and makes others beside them.
import ctypes, os, sys

libc = ctypes.CDLL(None, use_errno=True)
paths = {os.__file__, sys.executable, sys.prefix, os.path.dirname(os.__file__), "/etc", "/etc/passwd", "/dev/null", "/usr", "/var/tmp/x"}
folder = os.path.dirname(os.getcwd())
while folder != "/":
    paths.add(folder)
    folder = os.path.dirname(folder)
paths -= {"/box"}  # The run's own, as it is in a container of its own.
doors = []
for path in paths:
    for name, call in (
        ("link", lambda: os.link(path, "linked")),
        ("name", lambda: os.rename(path, path + "-moved")),
        ("name into its own", lambda: os.rename(path, "moved")),
        ("its own over", lambda: os.rename("your_script.py", path)),
        ("file beside", lambda: os.close(os.open(path + "-beside", os.O_CREAT | os.O_WRONLY))),
        ("folder beside", lambda: os.mkdir(path + "-beside")),
        ("link beside", lambda: os.symlink("x", path + "-beside")),
        ("pipe beside", lambda: os.mkfifo(path + "-beside")),
        ("removal", lambda: os.unlink(path)),
        ("length", lambda: os.truncate(path, 0) if path != "/dev/null" else os.close(-1)),
        ("writing", lambda: os.close(os.open(path, os.O_WRONLY)) if path != "/dev/null" else os.close(-1)),
    ):
        try:
            call()
            doors.append(f"{name} of {path}")
        except OSError:
            pass
    watch = libc.inotify_init()
    if watch != -1 and libc.inotify_add_watch(watch, path.encode(), 0xFFF) != -1:
        doors.append(f"watching {path}")
print("ESCAPED: " + ", ".join(doors[:20]) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
# expect on gvisor: ending=exited:0  stdout~"^(held\\n|ESCAPED: ([a-z, ]+ of /dev/null(, |\\n))+)$"
