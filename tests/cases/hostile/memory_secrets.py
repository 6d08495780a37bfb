# Reads all of its own memory, looking for what the server knows: its keys, requests of others, the words of HTTP.
import ctypes, os, re

# None of these patterns is what it looks for.
pattern = re.compile(rb"the ke[y] of the syste[m] tests|HOGNOS[E]_ADMIN|PYTHON_EX[E]_KEY|X-Forwarde[d]-For|\"api_ke[y]\"|POST /execut[e]|content_base[_]64")
found, looked = set(), 0
with open("/proc/self/maps") as maps:
    lines = list(maps)
libc = ctypes.CDLL(None)
reader, writer = os.pipe()
for line in lines:
    span, rights = line.split()[:2]
    first, last = (int(end, 16) for end in span.split("-"))
    if rights[0] != "r" or last - first > 64 << 20:
        continue
    content = bytearray()
    # By the kernel, which does not fall over what is not there. A pipe holds so much.
    for address in range(first, last, 1 << 16):
        count = libc.write(writer, ctypes.c_void_p(address), min(1 << 16, last - address))
        content += os.read(reader, count) if count > 0 else b""
    looked += len(content)
    found |= set(pattern.findall(content))
    del content
print(f"ESCAPED: {found}" if found else "held" if looked > 1 << 20 else f"looked at {looked} bytes only")
# expect: ending=exited:0  stdout="held\n"
