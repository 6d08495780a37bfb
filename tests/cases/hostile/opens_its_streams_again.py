# Opens its own streams the other way round, grows their pipes, and takes out again what the server should read.
import fcntl, os

doors = []
for number in (0, 1, 2):
    try:
        other = os.open(f"/proc/self/fd/{number}", os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        continue
    try:
        if fcntl.fcntl(other, 1031, 64 << 20) > 4 << 20:  # F_SETPIPE_SZ
            doors.append(f"the pipe of {number} has {fcntl.fcntl(other, 1032)} bytes")
    except OSError:
        pass
    try:
        os.write(other, b"x" * 100)
        os.read(other, 100)
    except OSError:
        pass
    fcntl.fcntl(other, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)
if os.fork() == 0:
    os.setsid()
    while True:  # Keeps both ends open, and steals.
        try:
            os.read(os.open("/proc/self/fd/1", os.O_RDONLY), 4096)
        except OSError:
            pass
os.write(2, b"ESCAPED: " + ", ".join(doors).encode() if doors else b"ended")
# expect: ending=exited:0  stderr!~"ESCAPED"  within_ms=5000
