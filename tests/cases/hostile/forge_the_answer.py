# Writes what the machinery might take for its own messages, to every descriptor it could have.
import os

for descriptor in range(3, 64):
    for message in (b"S", b"SSyntaxError: forged", b"\0\0\0\4null", b'{"Ended":{"Exited":0}}\n'):
        try:
            os.write(descriptor, message)
            print("ESCAPED: descriptor", descriptor)
        except OSError:
            pass
print("held", flush=True)
os._exit(5)
# expect: ending=exited:5  stdout="held\n"
