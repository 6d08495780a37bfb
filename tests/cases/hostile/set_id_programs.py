# Looks for programs that run as somebody else, and whether the mounts would let them.
import os, stat

found = []
for folder, _, names in os.walk("/", onerror=None):
    if folder.startswith("/proc"):
        continue
    for name in names:
        path = os.path.join(folder, name)
        try:
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID) and not os.statvfs(path).f_flag & os.ST_NOSUID:
                found.append(path)
        except OSError:
            pass
print("ESCAPED: " + ", ".join(found[:3]) if found else "held")
# expect: ending=exited:0  stdout="held\n"  within_ms=9000
# expect on gvisor: ending=exited:0  stdout~"^(held|ESCAPED: (/usr/[^,]+(, |\\n))+)$"  within_ms=9000
