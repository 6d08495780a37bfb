# Lists the interfaces of the machine and its addresses.
import socket

try:
    names = [name for _, name in socket.if_nameindex() if name != "lo"]
except OSError:
    names = []
for path in ("/proc/net/route", "/proc/self/net/tcp", "/proc/self/net/unix", "/sys/class/net"):
    try:
        lines = open(path).read().splitlines()[1:]
        if path.endswith("unix"):
            # Pairs of neighbours are counted there, by number only; what has a name is somebody's.
            lines = [line for line in lines if len(line.split()) > 7]
        if lines:
            names.append(path)
    except OSError:
        pass
print("ESCAPED: " + ", ".join(names) if names else "held")
# expect: ending=exited:0  stdout="held\n"
