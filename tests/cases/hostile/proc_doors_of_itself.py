# Goes through the doors that /proc has into the program itself: they must lead to what it sees anyway, and write nothing.
import os

root = os.stat("/")
doors = []
for path in ("self/root", "self/root/..", "thread-self/root", f"self/task/{os.getpid()}/root", "self/cwd/../../..", "self/cwd/../../../../..", "1/root", "2/root", "3/root", "4/root"):
    try:
        door = os.open("/proc/" + path, os.O_RDONLY)
        seen = os.fstat(door)
        os.close(door)
        if (seen.st_dev, seen.st_ino) != (root.st_dev, root.st_ino):
            doors.append(path)
    except OSError:
        pass
for name in os.listdir("/proc/self/fd"):
    for way in ("/..", "/../..", "/."):
        if os.path.exists(f"/proc/self/fd/{name}{way}/etc/shadow"):
            doors.append("fd/" + name)
for name, text in (
    ("oom_score_adj", "-1000"), ("oom_adj", "-17"), ("autogroup", "-20"), ("coredump_filter", "0xff"), ("clear_refs", "1"), ("sched", "0"), ("timerslack_ns", "1"),
    ("loginuid", "0"), ("attr/current", "unconfined"), ("attr/exec", "x"), ("setgroups", "allow"), ("uid_map", "0 0 1"), ("gid_map", "0 0 1"), ("projid_map", "0 0 1"),
    ("make-it-fail", "1"), ("fail-nth", "1"), ("comm", "x"), ("timens_offsets", "monotonic 1 0"), ("latency", "0"), ("exe", ""), ("mem", ""),
):
    for way in ("self", "thread-self", "1", "2", "3"):
        try:
            with open(f"/proc/{way}/{name}", "r+b", buffering=0) as file:
                file.write(text.encode())
                doors.append(f"{way}/{name}")
        except OSError:
            pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
# expect on gvisor: ending=exited:0  stdout="ESCAPED: self/oom_score_adj, thread-self/oom_score_adj, 1/oom_score_adj\n"
