# Looks for a way to the files in memory that it shares with other programs, where it may only have its own copy.
import ctypes, os

libc = ctypes.CDLL(None, use_errno=True)
libc.madvise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
doors, looked = [], False
for line in list(open("/proc/self/maps")):
    if "memfd:" not in line:
        continue
    looked = True
    place, mode = line.split()[:2]
    start, end = (int(number, 16) for number in place.split("-"))
    if mode[3] != "p":
        doors.append(f"{place} is shared")
    # MADV_REMOVE would punch a hole into the file, for everybody.
    if libc.madvise(start, end - start, 9) == 0:
        doors.append(f"a hole at {place}")
    for flags in (os.O_RDWR, os.O_WRONLY, os.O_RDONLY):
        try:
            os.close(os.open(f"/proc/self/map_files/{place}", flags))
            doors.append(f"the file at {place}, {flags}")
        except OSError:
            pass
for number in range(1024):
    try:
        if "memfd:" in os.readlink(f"/proc/self/fd/{number}"):
            doors.append(f"descriptor {number}")
    except OSError:
        pass
print("ESCAPED: " + ", ".join(doors) if doors else "held" if looked else "nothing is shared")
# tiers: native
# expect: ending=exited:0  stdout="held\n"
