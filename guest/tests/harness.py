"""Plays the keeper and the walls for the guest's tests: pipes, a job socket and a folder, but no confinement."""

import array
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

GUEST = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# CPython, too, is to find them as a terminal leaves them, whoever started the tests: in the background, under nohup.
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)

BOOTSTRAP = """
import sys, types
def load(name, folder):
    with open(folder + '/' + name + '.py') as file: source = file.read()
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, '<hognose ' + name + '>', 'exec', dont_inherit=True), module.__dict__)
    return module
folder, kind, control = sys.argv[1], sys.argv[2], int(sys.argv[3])
load('libraries', folder).warm(kind)
load('blocks', folder).fill_holes()
for name in ('guard', 'unit', 'zygote'): module = load(name, folder)
import array, os, socket
class Walls:
    def __init__(self): self.descriptors = {control}; self.socket = socket.socket(fileno=os.dup(control)); self.descriptors.add(self.socket.fileno())
    def become_unit(self, control_fd, try_out):
        self.put_on_trial(try_out)
        while True:
            data, ancillary, _, _ = self.socket.recvmsg(4096, 1024)
            if not data: return False
            fds = array.array('i'); fds.frombytes(ancillary[0][2])
            pid = os.fork()
            if pid == 0:
                self.enter(data.decode(), list(fds))
                return True
            for fd in fds: os.close(fd)
            self.socket.send(str(pid).encode())
            status = os.waitpid(pid, 0)[1]
            self.socket.send(str(os.waitstatus_to_exitcode(status)).encode())
    def put_on_trial(self, try_out):
        job, giver = os.pipe()
        os.write(giver, bytes((1, 0, 8, 0, 0, 0)) + b'print(1)')
        pid = os.fork()
        if pid == 0:
            null = os.open('/dev/null', os.O_RDWR)
            for number in (0, 1): os.dup2(null, number)
            os.dup2(job, 3)
            try_out(os._exit)
        for fd in (job, giver): os.close(fd)
        status = os.waitpid(pid, 0)[1]
        if status: raise OSError(f'the trial ended with {status}')
    def enter(self, folder, fds):
        self.socket.detach()  # Its number may be the job's from here on.
        for number, fd in enumerate(fds): os.dup2(fd, number, inheritable=number < 3)
        os.closerange(4, 4096)
        os.chdir(folder)
        if len(os.listdir('/proc/self/fd')) > 5: raise OSError('descriptors left')
module.serve(Walls(), control)
"""


class Result:
    def __init__(self, code, stdout, stderr, answer=b"", seconds=0.0):
        self.code, self.stdout, self.stderr, self.answer, self.seconds = code, stdout, stderr, answer, seconds

    def __eq__(self, other):
        return (self.code, self.stdout, self.stderr) == (other.code, other.stdout, other.stderr)

    def __repr__(self):
        return f"code {self.code}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


class Zygote:
    """A warm interpreter without walls; `play` runs one program in a fork of it."""

    def __init__(self, kind="core", python=sys.executable):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}
        self.process = subprocess.Popen(
            [python, "-I", "-X", "utf8", "-c", BOOTSTRAP, GUEST, kind, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        self.socket = ours
        self.folder = tempfile.mkdtemp(prefix="guest-")

    def start(self, folder):
        """Asks for a unit; returns its number and our ends of its pipes and its socket."""
        stdin, stdout, stderr = os.pipe(), os.pipe(), os.pipe()
        job, theirs = socket.socketpair()
        fds = [stdin[0], stdout[1], stderr[1], theirs.fileno()]
        self.socket.sendmsg([folder.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        pid = int(self.socket.recv(64))
        for fd in fds[:3]:
            os.close(fd)
        theirs.close()
        return pid, stdin[1], stdout[0], stderr[0], job

    def play(self, code, stdin=b"", public=False, files=(), seconds=20):
        data = code.encode()
        job = bytes([1, 1 if public else 0]) + len(data).to_bytes(4, "little") + data
        return self.play_job(job, stdin, files, seconds)

    def play_job(self, words, stdin=b"", files=(), seconds=20):
        folder = os.path.join(self.folder, "work")
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        for name, content in files:
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
        pid, stdin_fd, stdout_fd, stderr_fd, job = self.start(folder)
        started = time.perf_counter()
        job.sendall(words)
        job.shutdown(socket.SHUT_WR)
        try:
            os.write(stdin_fd, stdin)
        except BrokenPipeError:
            pass
        os.close(stdin_fd)
        output = read_all({stdout_fd: bytearray(), stderr_fd: bytearray()}, seconds)
        took = time.perf_counter() - started
        job.settimeout(1)
        answer = b""
        try:
            while True:
                part = job.recv(4096)
                if not part:
                    break
                answer += part
        except ConnectionResetError:
            pass
        job.close()
        code = self.wait(pid, seconds)
        clean = lambda raw: bytes(raw).decode("utf-8", "replace").replace(folder + "/", "")
        return Result(code, clean(output[stdout_fd]), clean(output[stderr_fd]), answer, took)

    def wait(self, pid, seconds):
        self.socket.settimeout(seconds)
        try:
            return int(self.socket.recv(64))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            self.socket.settimeout(5)
            self.socket.recv(64)
            return "timeout"
        finally:
            self.socket.settimeout(None)

    def close(self):
        self.socket.close()
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


def read_all(buffers, seconds):
    deadline = time.monotonic() + seconds
    selector = selectors.DefaultSelector()
    for fd in buffers:
        selector.register(fd, selectors.EVENT_READ)
    while selector.get_map():
        left = deadline - time.monotonic()
        if left <= 0:
            break
        for key, _ in selector.select(left):
            part = os.read(key.fd, 65536)
            if part:
                buffers[key.fd] += part
            else:
                selector.unregister(key.fd)
    selector.close()
    for fd in buffers:
        os.close(fd)
    return buffers


def oracle(code, stdin=b"", files=(), python=sys.executable, seconds=20):
    """What CPython itself makes of the program, run as a script."""
    with tempfile.TemporaryDirectory(prefix="oracle-") as folder:
        for name, content in [*files, ("your_script.py", code.encode())]:
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
        ended = subprocess.run(
            [python, "-X", "utf8", "your_script.py"],
            cwd=folder,
            input=stdin,
            capture_output=True,
            env={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"},
            timeout=seconds,
        )
        clean = lambda raw: raw.decode("utf-8", "replace").replace(folder + "/", "")
        return Result(ended.returncode, clean(ended.stdout), clean(ended.stderr))


def comparable(result):
    """The result with addresses, thread and process numbers, which never agree, made equal."""
    import re

    clean = lambda text: re.sub(r"\b(0x[0-9a-f]+|Thread-\d+|pid=\d+)", "#", text)
    return result.code, clean(result.stdout), clean(result.stderr)
