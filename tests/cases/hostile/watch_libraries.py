# Watches the files that every run shares, to see what others import.
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
doors = [number for number in (253, 294) if libc.syscall(number, 0) != -1 or ctypes.get_errno() != 38]
print("ESCAPED: " + str(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
