# Makes every system call that is not on the list, by number, also those that no kernel has yet.
# Bad pointers and descriptors: only the filter can be the one that says no.
import ctypes, errno, platform

LISTED = """0-28 32-41 44-48 51-63 72-91 95-100 102 104 107-112 115 118 120-121 124-125 127-133 137-138 140 143 145-152
157-158 160 186-187 191-196 200-204 213 217-219 221-226 228-235 247 257-259 261-271 273-277 280-281 283-287 289-293
295-297 299 302 307 309 315-316 318 322 324-332 334 335-336 436-437 439 441 444-446 449 452 454-456 462"""  # Kernels pass 335 and 336, of probes, by every filter, and kill who calls them.
listed = set()
for part in LISTED.split():
    first, _, last = part.partition("-")
    listed |= set(range(int(first), int(last or first) + 1))
libc = ctypes.CDLL(None, use_errno=True)
doors = []
if platform.machine() == "x86_64":
    for number in [*range(1200), 4095, 65535, 1 << 29, (1 << 31) - 1, -1]:
        if number in listed:
            continue
        ctypes.set_errno(0)
        answer = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(8)] * 6)
        if answer != -1 or ctypes.get_errno() not in (errno.ENOSYS, errno.EPERM):
            doors.append(f"{number} {errno.errorcode.get(ctypes.get_errno())}")
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
