"""Says what this interpreter is, as JSON. Run with -I by any Python from 3.0 on, so: old syntax only."""
import json
import os
import sys

if sys.version_info < (3, 6):  # so old that nothing below need work
    print(json.dumps({"version": list(sys.version_info[:3])}))
    sys.exit(0)

import importlib.util
import platform
import sysconfig


def missing():
    """The parts of the standard library that a distribution may have split off, and we need."""
    found = []
    for name in ("ctypes", "ssl", "zlib", "zipfile"):
        try:
            __import__(name)
        except Exception:
            found.append(name)
    try:
        venv = importlib.util.find_spec("venv.__main__")  # an empty folder would import as well
    except ImportError:
        venv = None
    return found if venv else [*found, "venv"]


def libc():
    """glibc's name and version; empty with any other C library."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):
        return ""


print(json.dumps({
    "version": list(sys.version_info[:3]),
    "implementation": sys.implementation.name,
    "executable": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "machine": platform.machine(),
    "bits": 64 if sys.maxsize > 2**32 else 32,
    "libc": libc(),
    "abi": sysconfig.get_config_var("SOABI") or "",
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "missing": missing(),
}))
