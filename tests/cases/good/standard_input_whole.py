# Reads all of its standard input; line ends stay as they came.
import sys

print(ascii(sys.stdin.read()))
# role: public
# stdin: "a\r\nü\nlast"
# expect: ending=exited:0  stdout="'a\\r\\n\\xfc\\nlast'\n"  stderr=""
