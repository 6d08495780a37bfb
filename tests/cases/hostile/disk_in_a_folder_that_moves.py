# Writes into a folder that gets another name all the time, so that whoever walks the folders finds it gone.
import os, time
for i in range(3300):
    os.close(os.open(f"n{i}", os.O_CREAT | os.O_WRONLY))
os.mkdir("d0"); os.mkdir("d0/d0"); os.mkdir("d0/d0/d0")
a, b, d = (os.open(p, os.O_RDONLY) for p in ("d0", "d0/d0", "d0/d0/d0"))
for where in (os.open(".", os.O_RDONLY), a, b):
    if os.fork() == 0:
        n = 0
        while True:
            os.rename(f"d{n % 977}", f"d{(n + 1) % 977}", src_dir_fd=where, dst_dir_fd=where)
            n += 1
start = time.time()
total, over = 0, None
block = b"x" * (4 << 20)
try:
    while total < 220 and time.time() < start + 5:
        fd = os.open(f"f{total}", os.O_CREAT | os.O_WRONLY, dir_fd=d)
        for _ in range(11):
            os.write(fd, block); total += 4
            if total > 64 and over is None:
                over = time.time()
            time.sleep(0.01)
            if over and time.time() - over > 0.5:
                os.write(1, b"ESCAPED: %d MiB in files, %.1f s after there were more than 64\n" % (total, time.time() - over))
        os.close(fd)
    time.sleep(1)
    if over:
        os.write(1, b"ESCAPED: %d MiB in files, %.1f s after there were more than 64\n" % (total, time.time() - over))
except OSError as e:
    print(f"held ({total} MiB, {e.strerror})", flush=True)
os._exit(0)
# expect: ending=exited:0|signal:9|exited:1  stdout!~"ESCAPED"
