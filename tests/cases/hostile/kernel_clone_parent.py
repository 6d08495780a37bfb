# Gives its parent, the zygote, a child that the zygote does not know of.
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
pid = libc.syscall(56, 0x8000 | 17, 0, 0, 0, 0)
if pid == 0:
    libc._exit(0)
print("held" if pid == -1 and ctypes.get_errno() == 1 else f"ESCAPED: {pid}")
# expect: ending=exited:0  stdout="held\n"
