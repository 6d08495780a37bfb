# Reads its standard input by the names that shells know it by.
for path in ("/dev/stdin", "/proc/self/fd/0"):
    with open(path, "rb", buffering=0) as file:
        print(file.read(5))
# stdin: "hellothere"
# tiers: native gvisor
# expect: ending=exited:0  stdout="b'hello'\nb'there'\n"
