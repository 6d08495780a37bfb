# Makes processes and threads while a timer interrupts it a thousand times a second.
import os, signal, threading, time

ticks = 0


def tick(number, frame):
    global ticks
    ticks += 1


signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for number in range(120):
    child = os.fork()
    if child == 0:
        os._exit(number % 100)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == number % 100
    thread = threading.Thread(target=time.sleep, args=(0.001,))
    thread.start()
    thread.join()
print(ticks > 50)
# expect: ending=exited:0  stdout="True\n"  limit_hit=none
