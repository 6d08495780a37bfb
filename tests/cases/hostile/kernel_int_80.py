# Calls the kernel by int 0x80, the 32-bit way, whose numbers mean other calls.
import ctypes, mmap, os, platform

if platform.machine() == "x86_64":
    # mov eax, 20 (getpid in the 32-bit table); int 0x80; ret
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    child = os.fork()
    if child == 0:
        os._exit(1 if call() > 0 else 0)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print("ESCAPED: the 32-bit table answered" if ended == 1 else "held")
else:
    print("held")
# expect: ending=exited:0  stdout="held\n"
