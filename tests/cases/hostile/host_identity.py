# Asks everything that knows the machine for its name, its number and its addresses.
import ctypes, getpass, os, platform, socket, sys, uuid

libc = ctypes.CDLL(None)
name = ctypes.create_string_buffer(256)
libc.gethostname(name, 256)
names = {platform.node(), platform.uname().node, os.uname().nodename, socket.gethostname(), name.value.decode(), os.environ.get("HOSTNAME", "hognose")}
found = [f"named {each}" for each in names - {"hognose"}]
for module in list(sys.modules.values()):
    for key, value in list(getattr(module, "__dict__", {}).items()):
        if isinstance(value, tuple) and hasattr(value, "node") and value.node != "hognose":
            found.append(f"{module.__name__}.{key}")
if not uuid.getnode() >> 40 & 1:
    found.append(f"a hardware address {uuid.getnode():x}")
# What is there may be seen to be there on a host's own files, and is not to be read.
for path in ("/etc/machine-id", "/etc/hostname", "/etc/resolv.conf", "/var/lib/dbus/machine-id", "/proc/sys/kernel/random/boot_id", "/proc/sys/kernel/hostname",
             "/sys/class/dmi/id/product_uuid", "/proc/cmdline", "/proc/version", "/proc/device-tree", "/run/utmp", "/proc/self/net/../../1/net/fib_trie"):
    try:
        with open(path, "rb"):
            found.append(path)
    except OSError:
        pass
try:
    with open("/proc/self/net/dev") as file:
        found += [line.split(":")[0].strip() for line in file.readlines()[2:] if not line.strip().startswith("lo:")]
except PermissionError:
    pass
if getpass.getuser() != "nobody":
    found.append(getpass.getuser())
print("ESCAPED: " + ", ".join(found) if found else "held")
# expect: ending=exited:0  stdout="held\n"
# expect on landlock: ending=exited:0  stdout!~"ESCAPED: .*[/:]"
# expect on gvisor: ending=exited:0  stdout="ESCAPED: /proc/sys/kernel/hostname, /proc/cmdline, /proc/version\n"
