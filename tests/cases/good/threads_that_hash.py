# Ten threads that all want the processor, which hashing lets them have at once.
import hashlib, threading, time

end = time.monotonic() + 3
block = bytes(1 << 20)
counts = []


def work():
    count = 0
    while time.monotonic() < end:
        hashlib.sha256(block).digest()
        count += 1
    counts.append(count)


threads = [threading.Thread(target=work) for _ in range(10)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(counts), min(counts) > 0)
# expect: ending=exited:0  stdout="10 True\n"  limit_hit=none
