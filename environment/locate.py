"""Says where the parts of this Python lie, as JSON: python -I locate.py [MODULE]...

Imports the named modules and every extension module of the standard library, because only what is
loaded shows which shared libraries programs will need.
"""

import importlib
import json
import os
import struct
import sys
import sysconfig
import warnings

PT_INTERP = 3


def loader(executable: str) -> str:
    """Returns the dynamic loader that the (64-bit, little-endian) ELF file asks for, or nothing."""
    with open(executable, "rb") as file:
        head = file.read(64)
        if head[:6] != b"\x7fELF\x02\x01":
            return ""
        start, size, count = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
        for index in range(count):
            file.seek(start + index * size)
            kind, _, offset, _, _, length = struct.unpack("<IIQQQQ", file.read(40))
            if kind == PT_INTERP:
                file.seek(offset)
                return file.read(length).rstrip(b"\0").decode()
    return ""


def load_extensions(folder: str) -> None:
    """Imports every extension module in the folder, but those that exist for Python's own tests."""
    for name in sorted(os.listdir(folder) if os.path.isdir(folder) else ()):
        module = name.partition(".")[0]
        if name.endswith(".so") and "test" not in module and not module.startswith("xx"):
            try:
                importlib.import_module(module)
            except Exception:  # a library of it is not installed: programs can't import it either
                pass


def mapped_libraries() -> list[str]:
    """Returns every shared library in this process."""
    found = set()
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            path = line.rstrip("\n").split(maxsplit=5)[5:]
            if path and path[0].startswith("/") and ".so" in os.path.basename(path[0]):
                found.add(os.path.realpath(path[0]))
    return sorted(found)


def main() -> None:
    warnings.simplefilter("ignore")
    standard = os.path.realpath(sysconfig.get_path("stdlib"))
    packages = os.path.realpath(sysconfig.get_path("platlib"))
    pure = os.path.realpath(sysconfig.get_path("purelib"))
    # What a program will see: the standard library and the environment's packages, nothing else.
    sys.path[:] = [standard, os.path.join(standard, "lib-dynload"), packages]

    missing = {}
    for name in sys.argv[1:]:
        try:
            importlib.import_module(name)
        except BaseException as error:
            missing[name.partition(".")[0]] = f"{type(error).__name__}: {error}".split("\n", 1)[0]
    load_extensions(os.path.join(standard, "lib-dynload"))

    import zoneinfo

    executable = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    print(json.dumps({
        "version": list(sys.version_info[:3]),
        "abi": sysconfig.get_config_var("SOABI") or "",
        "executable": executable,
        "prefix": os.path.realpath(sys.base_prefix),
        "standard_library": standard,
        "site_packages": packages,
        "pure_packages": pure,
        "libraries": mapped_libraries(),
        "loader": loader(executable),
        "time_zones": next((path for path in zoneinfo.TZPATH if os.path.isdir(path)), None),
        "missing": missing,
    }))


main()
