# Runs what was registered for the end, joins its threads, and destroys what is left.
import atexit, threading, time


class Last:
    def __del__(self):
        print("destroyed")


def work():
    time.sleep(0.1)
    print("thread")


last = Last()
atexit.register(print, "at exit")
threading.Thread(target=work).start()
print("main")
# expect: ending=exited:0  stdout="main\nthread\nat exit\ndestroyed\n"  stderr=""
