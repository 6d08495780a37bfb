# Has the host forget a file that every run shares, and asks later what of it was read again: by whom is told by what.
import ctypes, errno, mmap, os

libc = ctypes.CDLL(None, use_errno=True)
shared = os.open(os.__file__, os.O_RDONLY)
doors = []
try:
    os.posix_fadvise(shared, 0, 0, os.POSIX_FADV_DONTNEED)
except OSError:
    pass
for name, flag in {"without waiting": 0x8, "without keeping": 0x80}.items():
    try:
        os.preadv(shared, [bytearray(1)], 0, flag)
        doors.append(name)
    except OSError:
        pass
with mmap.mmap(shared, 0, prot=mmap.PROT_READ) as mapped:
    for name, advice in {"cold": 20, "page out": 21}.items():
        try:
            mapped.madvise(advice)
            doors.append(name)
        except OSError:
            pass
place = libc.mmap
place.restype = ctypes.c_void_p
address = place(None, 4096, mmap.PROT_READ, mmap.MAP_PRIVATE, shared, 0)
if libc.mincore(ctypes.c_void_p(address), 4096, ctypes.create_string_buffer(1)) == 0 or ctypes.get_errno() != errno.ENOSYS:
    doors.append("mincore")
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
