"""The floor: what the kernel and the interpreter allow, without HTTP, walls or a pool.

Started by `hognose bench` as `python -I floor.py GUEST_FOLDER`; reads orders from standard input and
answers each with one line, both JSON. Times are nanoseconds.

    {"do": "load", "kind": "core"}                 becomes what hognose's zygote of that kind is
    {"do": "forks", "cpu": 0, "seconds": 1.0, "hooks": true}
                                                   fork, exit, wait, back to back, on one processor; with what
                                                   CPython runs around a fork, or without
    {"do": "hand", "code": "...", "folder": "...", "runs": 300}
                                                   hands the program to a fork that waits, again and again
"""

import gc
import json
import os
import socket
import sys
import time

GUEST_FOLDER = sys.argv[1]
HAND_READY = b"r"
# What a fork does before it waits: the pages that every program writes to become its own meanwhile.
REHEARSAL = "print(end='')"


def load(kind):
    if kind != "bare":
        sys.path.insert(0, GUEST_FOLDER)
        import libraries
        import zygote

        del sys.path[0]
        libraries.warm(kind)
        # Pillow loads its codecs and fpdf its fonts on the first use: that is done before a fork there, so
        # it must not count as the program's own work here.
        streams = sys.stdin, sys.stdout, sys.stderr
        zygote.settle()
        # A zygote opens others; orders come by these.
        sys.stdin, sys.stdout, sys.stderr = streams
    else:
        gc.collect()
        gc.freeze()
    with open("/proc/self/status") as status:
        resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    return {"rss_kib": resident, "python": sys.version.split()[0]}


def forks(cpu, seconds, hooks):
    """Forks, exits and waits for that long, as fast as one processor can."""
    fork, leave, wait = os.fork, os._exit, os.waitpid
    if not hooks:
        import ctypes

        library = ctypes.PyDLL(None)
        fork, leave = library.fork, library._exit
    everywhere = os.sched_getaffinity(0)
    processors = sorted(everywhere)
    os.sched_setaffinity(0, {processors[cpu % len(processors)]})
    try:
        count = 0
        start = now = time.perf_counter_ns()
        end = start + int(seconds * 1e9)
        while now < end:
            pid = fork()
            if pid == 0:
                leave(0)
            wait(pid, 0)
            count += 1
            now = time.perf_counter_ns()
    finally:
        os.sched_setaffinity(0, everywhere)
    return {"count": count, "nanoseconds": now - start}


def hand(code, folder, runs):
    """Times from handing over the code: until the last of the output is there, until the fork was seen
    to end; and how much of it the program itself took."""
    os.chdir(folder)
    code = code.encode()
    output, ended, work = [], [], []
    said = b""
    for number in range(-10, runs):  # The first ten warm up.
        ours, theirs = socket.socketpair()
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            wait_and_run(theirs, write_end)
        theirs.close()
        os.close(write_end)
        ours.recv(1)
        time.sleep(0.001)  # Lets it fall asleep, as a unit in a pool does.
        start = time.perf_counter_ns()
        ours.sendall(code)
        chunks = []
        middle = start
        while chunk := os.read(read_end, 65536):
            middle = time.perf_counter_ns()  # The end of the pipe comes only when all memory is given back.
            chunks.append(chunk)
        _, status = os.waitpid(pid, 0)
        end = time.perf_counter_ns()
        took = ours.recv(100)
        ours.close()
        os.close(read_end)
        said = b"".join(chunks)
        if status != 0 or not took:
            return {"error": f"the program ended with {status} and said {said.decode(errors='replace')!r}"}
        if number >= 0:
            output.append(middle - start)
            ended.append(end - start)
            work.append(int(took))
    return {"output": output, "ended": ended, "work": work, "stdout": said.decode()}


def wait_and_run(job, stdout):
    """The fork: rehearses, waits, runs the program, ends. Nothing that is not needed."""
    status = 1
    try:
        os.dup2(stdout, 1)
        os.dup2(stdout, 2)
        os.close(stdout)
        sys.stdout = open(1, "w", closefd=False)
        exec(compile(REHEARSAL, "your_script.py", "exec", dont_inherit=True), {})
        sys.stdout.flush()
        program = {"__name__": "__main__", "__builtins__": __builtins__}
        job.send(HAND_READY)
        code = job.recv(1 << 20)
        start = time.perf_counter_ns()
        exec(compile(code, "your_script.py", "exec", dont_inherit=True), program)
        sys.stdout.flush()
        job.send(str(time.perf_counter_ns() - start).encode())
        status = 0
    except BaseException as error:
        os.write(1, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(status)


ORDERS = {"load": load, "forks": forks, "hand": hand}

# The answers go elsewhere than what imported modules may print.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    order = json.loads(line)
    result = ORDERS[order.pop("do")](**order)
    answers.write(json.dumps(result) + "\n")
    answers.flush()
