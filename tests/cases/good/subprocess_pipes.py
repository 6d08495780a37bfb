# Starts interpreters with pipes, input, time limits, groups, folders and environments of their own.
import os, signal, subprocess, sys


def python(code, **more):
    return subprocess.Popen([sys.executable, "-c", code], **more)


PIPE = subprocess.PIPE
upper = python("import sys; sys.stdout.write(sys.stdin.read().upper())", stdin=PIPE, stdout=PIPE, text=True)
print(upper.communicate("big " * 50_000)[0][-4:], upper.returncode)
first = python("for n in range(5): print(n)", stdout=PIPE)
second = python("import sys; print(sum(map(int, sys.stdin)))", stdin=first.stdout, stdout=PIPE)
first.stdout.close()
print(second.communicate()[0], first.wait())
try:
    subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.3)
except subprocess.TimeoutExpired as error:
    print("timeout", error.timeout < 1)
try:
    subprocess.run([sys.executable, "-c", "import sys; sys.exit('no')"], check=True, stderr=PIPE, text=True)
except subprocess.CalledProcessError as error:
    print(error.returncode, error.stderr.strip())
os.mkdir("folder")
child = python("import os; print(os.path.basename(os.getcwd()), os.environ['X'], len(os.environ) < 4)", cwd="folder", env={"X": "é"}, stdout=PIPE, text=True)
print(child.communicate()[0].strip())
child = python("import time; time.sleep(60)", start_new_session=True)
os.killpg(child.pid, signal.SIGTERM)
print(child.wait(), child.poll())
both = python("import os; os.write(1, b'o'); os.write(2, b'e')", stdout=PIPE, stderr=subprocess.STDOUT)
print(both.communicate()[0], subprocess.run([sys.executable, "-c", "print(1)"], stdout=subprocess.DEVNULL).returncode)
reader, writer = os.pipe()
child = python(f"import os; os.write({writer}, b'passed')", pass_fds=[writer])
os.close(writer)
print(os.read(reader, 9), child.wait())
print(subprocess.check_output([sys.executable, "-m", "json.tool", "--compact"], input=b'{"a": [1, 2]}'))
try:
    subprocess.run(["no such program"])
except FileNotFoundError as error:
    print(type(error).__name__)
# limits: admin_code_characters_max=4000
# tiers: native gvisor
# expect: ending=exited:0  stdout="BIG  0\nb'10\\n' 0\ntimeout True\n1 no\nfolder é True\n-15 -15\nb'oe' 0\nb'passed' 0\nb'{\"a\":[1,2]}\\n'\nFileNotFoundError\n"  stderr=""  limit_hit=none
