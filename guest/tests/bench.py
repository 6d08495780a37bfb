"""What our own Python costs a run: from the job's arrival to the program, from its end to the process's.

    python3 tests/bench.py core|numpy|full [runs]
"""

import os
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

PROGRAM = "import time\na = time.perf_counter_ns()\nprint(a, time.perf_counter_ns())\n"


def main():
    kind = sys.argv[1] if len(sys.argv) > 1 else "core"
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    zygote = harness.Zygote(kind)
    before, after, started, ended = [], [], [], []
    try:
        for public in (True, False):
            for measured in (before, after, started, ended):
                measured.clear()
            for _ in range(runs):
                folder = os.path.join(zygote.folder, "work")
                os.makedirs(folder, exist_ok=True)
                asked = time.perf_counter_ns()
                pid, stdin, stdout, stderr, job = zygote.start(folder)
                started.append(time.perf_counter_ns() - asked)
                time.sleep(0.01)  # The unit waits for its job, as in the pool.
                data = PROGRAM.encode()
                sent = time.perf_counter_ns()
                job.sendall(bytes([1, public]) + len(data).to_bytes(4, "little") + data)
                first, last = map(int, os.read(stdout, 100).split())
                os.read(stdout, 1)
                over = time.perf_counter_ns()
                for fd in (stdin, stdout, stderr):
                    os.close(fd)
                job.close()
                zygote.wait(pid, 10)
                before.append(first - sent)
                after.append(over - last)
            for name, values in (("fork", started), ("job to program", before), ("program to end of output", after)):
                values = sorted(value / 1000 for value in values)
                print(f"{kind} public={public} {name}: median {statistics.median(values):.0f} us, best {values[0]:.0f}, p90 {values[int(len(values) * .9)]:.0f}")
        with open(f"/proc/{zygote.process.pid}/status") as status:
            print(*(line.strip() for line in status if line.startswith(("VmRSS", "RssAnon", "RssFile"))))
        print(len(os.listdir(f"/proc/{zygote.process.pid}/map_files")), "mappings")
    finally:
        zygote.close()


main()
