# Has the interpreter, the libraries and its own folder tell where on the host they lie.
import json, os, sys, tempfile, traceback

for place in (sys.executable, sys.prefix, sys.base_prefix, os.getcwd(), tempfile.gettempdir(), json.__file__, __file__):
    print(place)
print(*sys.path, sep="\n")
try:
    import numpy

    print(numpy.__file__)
    numpy.linalg.inv(numpy.zeros((2, 2)))
except Exception:
    traceback.print_exc()
json.loads("{")
# expect: ending=exited:1  stdout!~"hognose-runs|pyenv|/home/|/root/|/target/"  stderr!~"hognose-runs|pyenv|/home/|/root/|/target/"  stderr~"File \"/usr/lib/python3[.][0-9]+/json/__init__.py\""
