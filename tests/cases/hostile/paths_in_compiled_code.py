# Reads where compiled libraries say that they come from, to learn paths of the host.
import glob
import marshal

told = set()
for path in glob.glob("/env/lib/python3.*/site-packages/*/__pycache__/*.pyc"):
    with open(path, "rb") as file:
        origin = marshal.loads(file.read()[16:]).co_filename
    if not origin.startswith("/env/lib/"):
        told.add(origin)
print("ESCAPED: " + min(told) if told else "held")
# expect: ending=exited:0  stdout="held\n"
