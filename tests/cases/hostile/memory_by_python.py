# Takes more memory than a run may have, and keeps it.
hoard = []
try:
    for _ in range(80):
        hoard.append(bytes([1]) * (16 << 20))
    print("ESCAPED: 1280 MiB")
except MemoryError:
    hoard = None
    print("held")
# expect: ending=exited:0|out_of_memory  stdout!~"ESCAPED"  within_ms=9000
