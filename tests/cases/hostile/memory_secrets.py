# Reads all of its own memory, looking for what the server knows: its keys, requests of others, the words of HTTP.
import re

# None of these patterns is what it looks for.
pattern = re.compile(rb"the ke[y] of the syste[m] tests|HOGNOS[E]_ADMIN|PYTHON_EX[E]_KEY|X-Forwarde[d]-For|\"api_ke[y]\"|POST /execut[e]|content_base[_]64")
found, looked = set(), 0
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
    for line in maps:
        span, rights = line.split()[:2]
        first, last = (int(end, 16) for end in span.split("-"))
        if rights[0] != "r" or last - first > 64 << 20:
            continue
        try:
            memory.seek(first)
            content = memory.read(last - first)
        except (OSError, ValueError, OverflowError):
            continue
        looked += len(content)
        found |= set(pattern.findall(content))
        del content
print(f"ESCAPED: {found}" if found else "held" if looked > 1 << 20 else f"looked at {looked} bytes only")
# expect: ending=exited:0  stdout="held\n"
