# Reads three mebibytes of standard input line by line, and answers as large.
import sys

lines = 0
for line in sys.stdin:
    lines += 1
    assert line == "0123456789abcd\n", line
print(lines, file=sys.stderr)
sys.stdout.write("x" * (3 << 20))
# role: public
# stdin: "0123456789abcd\n" * 196608
# expect: ending=exited:0  stdout_bytes=3145728  stderr="196608\n"
