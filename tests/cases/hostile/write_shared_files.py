# Opens what all runs share for writing, by every flag, and maps it to be written.
import mmap, os, sys

paths = [sys.executable, os.__file__, "/etc/passwd", "/dev/null", "/usr/lib", "/env", "/proc/self/exe", *[line.split()[-1] for line in open("/proc/self/maps") if ".so" in line][:5]]
doors = []
for path in paths:
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDWR | os.O_TRUNC, os.O_WRONLY | os.O_APPEND, os.O_RDWR | os.O_TMPFILE, os.O_WRONLY | os.O_DIRECT, os.O_ACCMODE):
        try:
            descriptor = os.open(path, flags)
            os.write(descriptor, b"")  # One opened by the last of the flags may neither read nor write.
            doors.append(f"{path} {flags:x}") if path != "/dev/null" else None
        except OSError:
            pass
    try:
        descriptor = os.open(path, os.O_RDONLY)
        with mmap.mmap(descriptor, 4096, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ | mmap.PROT_WRITE):
            doors.append(f"{path} mapped")
    except (OSError, ValueError):
        pass
    for act in (lambda: os.truncate(path, 1), lambda: os.chmod(path, 0o777), lambda: os.utime(path), lambda: os.setxattr(path, "user.x", b"1"), lambda: os.link(path, "mine"),
                lambda: os.ftruncate(descriptor, 1), lambda: os.fchmod(descriptor, 0o777), lambda: os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, 1)):
        try:
            act()
            doors.append(f"{path} changed") if path != "/dev/null" else None
        except OSError:
            pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
