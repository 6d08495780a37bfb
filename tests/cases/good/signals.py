# Handles signals, alarms, timers, masks and waiting for them.
import faulthandler, os, select, signal, threading, time

seen = []
signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(signal.Signals(number).name))
os.kill(os.getpid(), signal.SIGUSR1)
signal.raise_signal(signal.SIGUSR1)
signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
time.sleep(0.01)
print(seen)


class Late(Exception):
    pass


def late(number, frame):
    raise Late


signal.signal(signal.SIGALRM, late)
signal.setitimer(signal.ITIMER_REAL, 0.05)
try:
    while True:
        time.sleep(1)
except Late:
    print("late", signal.alarm(0))

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
os.kill(os.getpid(), signal.SIGUSR2)
print(signal.sigpending(), signal.sigtimedwait([signal.SIGUSR2], 1).si_signo == signal.SIGUSR2, signal.sigtimedwait([signal.SIGUSR2], 0.01))
reader, writer = os.pipe()
os.set_blocking(writer, False)
signal.set_wakeup_fd(writer)
signal.raise_signal(signal.SIGUSR1)
print(select.select([reader], [], [], 1)[0] == [reader], os.read(reader, 9) == bytes([signal.SIGUSR1]))
signal.set_wakeup_fd(-1)

child = os.fork()
if child == 0:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(42))
    os.write(writer, b"r")
    while True:
        signal.pause()
os.read(reader, 1)
os.kill(child, signal.SIGSTOP)
print(os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1]))
os.kill(child, signal.SIGCONT)
time.sleep(0.05)
os.kill(child, signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), signal.strsignal(signal.SIGHUP), signal.SIGINT in signal.valid_signals())
signal.signal(signal.SIGVTALRM, lambda *_: seen.append("virtual"))
signal.setitimer(signal.ITIMER_VIRTUAL, 0.01)
start = time.process_time()
while time.process_time() - start < 2 and "virtual" not in seen:
    pass
print(seen[-1])
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1)
except KeyboardInterrupt:
    print("interrupted")
# limits: admin_code_characters_max=4000
# expect: ending=exited:0  stdout="['SIGUSR1', 'SIGUSR1', 'SIGUSR1']\nlate 0\n{<Signals.SIGUSR2: 12>} True None\nTrue True\nTrue\n42 Hangup True\nvirtual\ninterrupted\n"  stderr=""
