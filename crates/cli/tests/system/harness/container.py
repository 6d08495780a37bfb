"""Becomes what a container's process is by default, then another program: `container.py USER NUMBERS PROGRAM...`.

No capability in any set, no new privileges, and a filter of the kind that container engines install unless told
otherwise: what it takes a capability for is refused, and with it every way to new namespaces. `NUMBERS` are the calls to
refuse, with commas between them.
"""

import ctypes
import os
import struct
import sys

ARCHITECTURE = 0xC000003E
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
EPERM, ENOSYS = 1, 38
CLONE, CLONE3 = 56, 435
# The bits of `clone` that make namespaces.
NAMESPACES = 0x7E020000
# The calls of kernels that are newer than the list, and those of the x32 ABI.
NEWER = 450

_libc = ctypes.CDLL(None, use_errno=True)


def call(function, *arguments):
    if function(*arguments) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def filter_of(refused):
    def step(code, value, yes=0, no=0):
        return struct.pack("=HBBI", code, yes, no, value)

    steps = [step(LOAD, 4), step(EQUAL, ARCHITECTURE, 1, 0), step(RETURN, ERRNO | EPERM), step(LOAD, 0)]
    for number in refused:
        steps += [step(EQUAL, number, 0, 1), step(RETURN, ERRNO | EPERM)]
    steps += [step(EQUAL, CLONE3, 0, 1), step(RETURN, ERRNO | ENOSYS)]
    steps += [step(AT_LEAST, NEWER, 0, 1), step(RETURN, ERRNO | EPERM)]
    steps += [step(EQUAL, CLONE, 0, 3), step(LOAD, 16), step(ANY_BIT, NAMESPACES, 0, 1), step(RETURN, ERRNO | EPERM)]
    steps += [step(RETURN, ALLOW)]
    return b"".join(steps)


def main(user, numbers, program):
    set_no_new_privs, drop_bounding, set_seccomp, by_filter = 38, 24, 22, 2
    call(_libc.prctl, set_no_new_privs, 1, 0, 0, 0)
    if os.geteuid() == 0:
        for capability in range(64):
            if _libc.prctl(drop_bounding, capability, 0, 0, 0) != 0:
                break
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    code = filter_of(numbers)
    room = ctypes.create_string_buffer(code, len(code))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(room)))
    call(_libc.prctl, set_seccomp, by_filter, head, 0, 0)
    os.execv(program[0], program)


main(int(sys.argv[1]), [int(number) for number in sys.argv[2].split(",")], sys.argv[3:])
