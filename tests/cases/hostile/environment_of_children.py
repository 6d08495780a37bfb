# Looks for the server's settings in what a child, a fresh process image and the C library are given.
import ctypes, os, subprocess, sys

libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_char_p
text = subprocess.run([sys.executable, "-c", "import os; print(dict(os.environ), open('/proc/self/environ').read(), open('/proc/self/auxv', 'rb').read())"],
                      capture_output=True, text=True).stdout
names = ("HOGNOSE_ADMIN_KEY", "PYTHON_EXE_KEY", "HOGNOSE_DATA_DIR", "AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK", "CARGO_HOME", "SUDO_USER", "http_proxy", "PWD", "OLDPWD")
found = [name for name in names if name in text or libc.getenv(name.encode()) or name in os.environ]
expected = {"PATH", "HOME", "USER", "LANG", "TMPDIR", "PYTHONDONTWRITEBYTECODE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
            "NUMEXPR_MAX_THREADS", "POLARS_MAX_THREADS", "NUMEXPR_NUM_THREADS", "MPLCONFIGDIR", "MPLBACKEND", "TZ", "LD_LIBRARY_PATH"}
found += sorted(set(os.environ) - expected)
print("ESCAPED: " + ", ".join(found) if found else "held")
# expect: ending=exited:0  stdout="held\n"
