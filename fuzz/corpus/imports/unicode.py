# Prints letters of many scripts, controls and a byte that is no text.
import sys

print("héllo 你好 🐍 \x1b[31m\t\x00")
sys.stdout.flush()
sys.stdout.buffer.write(b"\xff\n")
# role: public
# expect: ending=exited:0  stdout="héllo 你好 🐍 \u001b[31m\t\u0000\n\ufffd\n"
