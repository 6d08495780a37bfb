# Connects to the internet, to a cloud's metadata, to the host and to the service itself.
import socket, urllib.request

doors = []
for host, port in (("1.1.1.1", 53), ("8.8.8.8", 443), ("169.254.169.254", 80), ("127.0.0.1", 8000), ("127.0.0.1", 8080), ("127.0.0.1", 22), ("::1", 8000), ("10.0.2.2", 80)):
    try:
        socket.create_connection((host, port), timeout=0.5)
        doors.append(f"{host}:{port}")
    except OSError as error:
        if isinstance(error, (ConnectionRefusedError, TimeoutError)):
            doors.append(f"{host}:{port} was tried")
try:
    urllib.request.urlopen("http://127.0.0.1:8000/", timeout=0.5)
    doors.append("urllib")
except OSError:
    pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
