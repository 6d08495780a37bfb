# Keeps deleted files open in a thread, behind a first thread that has ended and shows nothing.
import ctypes, os, threading, time


def keep():
    time.sleep(0.1)
    bytes_kept = 0
    for number in range(24):
        kept = os.open(f"f{number}", os.O_RDWR | os.O_CREAT)
        os.unlink(f"f{number}")
        try:
            for _ in range(16):
                bytes_kept += os.write(kept, bytes(1 << 20))
        except OSError:
            break
        time.sleep(0.03)
    time.sleep(0.3)
    os.write(1, b"held\n" if bytes_kept <= 128 << 20 else b"ESCAPED: %d MiB\n" % (bytes_kept >> 20))
    os._exit(0)


threading.Thread(target=keep).start()
ctypes.CDLL(None).syscall(60, 0)  # exit, of this thread
# expect: ending=exited:0|signal:9|out_of_memory  stdout!~"ESCAPED"  limit_hit=disk|memory|none
