# Never comes back from calls that wait: pipes nobody writes, locks nobody frees, signals nobody sends; all ignored.
import fcntl, os, signal

for number in signal.valid_signals():
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
os.mkfifo("pipe")
lock = open("lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
waits = (
    lambda: open("pipe"), lambda: fcntl.flock(open("lock"), fcntl.LOCK_EX), lambda: signal.sigwait([signal.SIGUSR1]),
    lambda: os.read(os.pipe()[0], 1), lambda: os.waitid(os.P_ALL, 0, os.WEXITED), lambda: fcntl.lockf(open("lock", "w"), fcntl.LOCK_EX),
)
fcntl.lockf(lock, fcntl.LOCK_EX)
for wait in waits:
    if os.fork() == 0:
        os.setsid()
        wait()
        os._exit(0)
while True:
    signal.pause()
# limits: wall_ms_max=1000
# expect: ending=timed_out  stdout=""  within_ms=3000
