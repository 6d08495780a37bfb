# Resolves names, which leaks data to whoever answers.
import socket

doors = []
for name in ("example.com", "metadata.google.internal"):
    try:
        doors.append(str(socket.getaddrinfo(name, 80)))
    except OSError:
        pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"  within_ms=5000
