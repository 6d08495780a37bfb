# Looks into the library that confines it for where it was built.
import re

with open("/proc/self/maps") as maps:
    library = next(line.split()[-1] for line in maps if line.rstrip().endswith("/libconfine.so"))
with open(library, "rb") as file:
    told = re.findall(rb"/(?:root|home)/[\x21-\x7e]+|[\x21-\x7e]*/registry/src/[\x21-\x7e]+", file.read())
told = [path for path in told if not path.startswith(b"/crates/")]
print(f"ESCAPED: {told[0]}" if told else "held")
# expect: ending=exited:0  stdout="held\n"
