# Writes files that have no name, and hands them on from process to process, each of which ends at once.
import mmap, os, threading, time

written = mmap.mmap(-1, 4096)
nulls = [os.open("/dev/null", os.O_RDONLY) for _ in range(200)]
# Whoever looks at the descriptors of this one, thread by thread, is busy for a while.
for _ in range(4):
    threading.Thread(target=time.sleep, args=(9,), daemon=True).start()
if os.fork() == 0:
    for number in nulls:
        os.close(number)
    kept, size, block = [], 1 << 30, bytes(1 << 20)
    while len(kept) < 40:
        if size >= 48 << 20:
            name = f"f{len(kept)}"
            kept.append(os.open(name, os.O_RDWR | os.O_CREAT))
            os.unlink(name)
            size = 0
        size += os.write(kept[-1], block)
        written[:8] = (int.from_bytes(written[:8], "little") + 1).to_bytes(8, "little")
        if os.fork():
            os._exit(0)
    time.sleep(9)
time.sleep(5)
total = int.from_bytes(written[:8], "little")
print("held" if total <= 64 else f"ESCAPED: {total} MiB", flush=True)
os._exit(0)
# expect: ending=exited:0|signal:9|out_of_memory  stdout!~"ESCAPED"
