# Has the kernel send signals for it: by owners of descriptors and by timers.
import ctypes, errno, fcntl, os, signal, socket, struct, time

here, there = socket.socketpair()
reader, writer = os.pipe()
doors = []
for descriptor in (here.fileno(), reader):
    for target in (1, os.getppid() or 1, 2, 3, -1, 4):
        for attempt in (
            lambda: fcntl.fcntl(descriptor, fcntl.F_SETOWN, target),
            lambda: fcntl.fcntl(descriptor, 15, struct.pack("ii", 1, target)),  # F_SETOWN_EX, of a process
            lambda: fcntl.ioctl(descriptor, 0x8901, struct.pack("i", target)),  # FIOSETOWN
            lambda: fcntl.ioctl(descriptor, 0x8902, struct.pack("i", target)),  # SIOCSPGRP
        ):
            try:
                attempt()
                doors.append(f"owner {target}")
            except OSError:
                pass
    try:
        fcntl.fcntl(descriptor, 10, signal.SIGKILL)  # F_SETSIG
        doors.append("signal of a descriptor")
    except OSError:
        pass
libc = ctypes.CDLL(None, use_errno=True)
for number, arguments in ((222, (0, 0, 8)), (129, (1, 9, 8)), (297, (1, 1, 9, 8)), (424, (3, 9, 0, 0))):
    if number == 222:
        # A timer whose signal goes to a thread of another process.
        event = struct.pack("<Qiii", 0, 9, 4, 1) + bytes(44)
        timer = ctypes.c_int()
        if libc.syscall(222, 0, event, ctypes.byref(timer)) == 0:
            doors.append("timer for another")
    elif libc.syscall(number, *arguments) == 0:
        doors.append(f"call {number}")
time.sleep(0.05)
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
# expect on gvisor: ending=exited:0  stdout="ESCAPED: timer for another\n"
