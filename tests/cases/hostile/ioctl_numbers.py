# Makes ioctls that type for others, freeze, clone, mark or own, also by numbers whose upper half only a 64-bit look sees.
import ctypes, errno, os

libc = ctypes.CDLL(None, use_errno=True)
file = os.open("plain", os.O_RDWR | os.O_CREAT, 0o600)
folder = os.open(".", os.O_RDONLY)
numbers = {
    "TIOCSTI": 0x5412, "TIOCLINUX": 0x541C, "TIOCSCTTY": 0x540E, "TIOCSETD": 0x5423, "TIOCCONS": 0x541D,
    "SETFLAGS": 0x40086602, "FSSETXATTR": 0x401C5820, "FIFREEZE": 0xC0045877, "FITRIM": 0xC0185879, "FICLONE": 0x40049409,
    "FIDEDUPERANGE": 0xC0189436, "SIOCGIFCONF": 0x8912, "SIOCSIFFLAGS": 0x8914, "SIOCGSTAMP": 0x8906, "FIBMAP": 1,
    "FIGETBSZ": 2, "FIOQSIZE": 0x5460, "FS_IOC_GETFSLABEL": 0x81009431, "PIDFD_GET_MNT": 0xFF03, "EXT4_SHUTDOWN": 0x8004587D,
    "VERITY": 0x40806685, "ENCRYPT": 0x800C6613, "PROCMAP_QUERY": 0xC0686611,
}
doors = []
maps = os.open("/proc/self/maps", os.O_RDONLY)
for name, number in numbers.items():
    for high in (0, 1 << 32, -1 << 32):
        for descriptor in (0, 1, file, folder, maps):
            ctypes.set_errno(0)
            answer = libc.syscall(16, ctypes.c_long(descriptor), ctypes.c_long(number | high), ctypes.c_long(8))
            if answer != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS, errno.ENOTTY):
                doors.append(f"{name} {errno.errorcode.get(ctypes.get_errno())}")
print("ESCAPED: " + ", ".join(doors[:9]) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
