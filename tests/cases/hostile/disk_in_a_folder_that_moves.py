# Writes into a folder that gets another name all the time, so that whoever walks the folders finds it gone.
import os, time

for number in range(3300):
    os.close(os.open(f"n{number}", os.O_CREAT | os.O_WRONLY))
os.makedirs("d0/d0/d0")
top, outer, inner, innermost = (os.open(path, os.O_RDONLY) for path in (".", "d0", "d0/d0", "d0/d0/d0"))
for folder in (top, outer, inner):
    if os.fork() == 0:
        number = 0
        while True:
            os.rename(f"d{number % 977}", f"d{(number + 1) % 977}", src_dir_fd=folder, dst_dir_fd=folder)
            number += 1

start, over, total = time.monotonic(), None, 0
block = b"x" * (4 << 20)
try:
    while total < 220 and time.monotonic() < start + 6:
        file = os.open(f"f{total}", os.O_CREAT | os.O_WRONLY, dir_fd=innermost)
        for _ in range(11):
            os.write(file, block)
            total += 4
            if total > 64 and over is None:
                over = time.monotonic()
            time.sleep(0.01)
        os.close(file)
except OSError as error:
    print(f"held ({error.strerror})", flush=True)
    os._exit(0)
# On a busy machine a look may come late; this long is no look at all.
time.sleep(2.5)
print(f"ESCAPED: {total} MiB for {time.monotonic() - over:.1f} s", flush=True)
os._exit(0)
# expect: ending=exited:0|signal:9  stdout!~"ESCAPED"
