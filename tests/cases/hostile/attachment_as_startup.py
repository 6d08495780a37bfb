# Brings files that an interpreter reads at its start, and starts interpreters beside them.
import os, subprocess, sys

found = []
if "evil" in sys.modules or os.environ.get("EVIL"):
    found.append("this one")
for arguments in (["-I"], ["-P"] if sys.version_info >= (3, 11) else ["-I"], ["-m", "json.tool", "--help"]):
    code = [] if "-m" in arguments else ["-c", "import sys; print('evil' in sys.modules)"]
    said = subprocess.run([sys.executable, *arguments, *code], capture_output=True, text=True)
    if "True" in said.stdout or "EVIL" in said.stdout + said.stderr:
        found.append(str(arguments))
print(f"ESCAPED: {found}" if found else "held")
# attach sitecustomize.py: "import sys; sys.modules['evil'] = sys; print('EVIL')"
# attach pyvenv.cfg: "home = /box/work\n"
# expect: ending=exited:0  stdout="held\n"
