# Uses locks, conditions, events, barriers, queues, timers and futures among threads.
import concurrent.futures, contextvars, queue, sched, threading, time

jobs, results = queue.Queue(maxsize=2), queue.PriorityQueue()


def work():
    while (job := jobs.get()) is not None:
        results.put(job * job)
        jobs.task_done()
    jobs.task_done()


workers = [threading.Thread(target=work, daemon=True) for _ in range(3)]
for worker in workers:
    worker.start()
for job in [*range(20), None, None, None]:
    jobs.put(job)
jobs.join()
for worker in workers:
    worker.join()
print([results.get() for _ in range(20)][-3:], threading.active_count())

barrier, event, lock, total = threading.Barrier(3), threading.Event(), threading.RLock(), []
condition, limit = threading.Condition(), threading.BoundedSemaphore(2)


def meet():
    event.wait()
    with limit, lock, lock:
        total.append(threading.current_thread().name)
    barrier.wait(5)
    with condition:
        condition.notify_all()


threads = [threading.Thread(target=meet, name=f"t{n}") for n in range(3)]
[thread.start() for thread in threads]
with condition:
    event.set()
    print(condition.wait_for(lambda: len(total) == 3, 5), sorted(total))
[thread.join() for thread in threads]

timer = threading.Timer(0.01, total.append, ["timer"])
timer.start()
timer.join()
plan = sched.scheduler(time.monotonic, time.sleep)
plan.enter(0.01, 1, total.append, ["plan"])
plan.run()
print(total[3:], threading.get_native_id() > 0)

with concurrent.futures.ThreadPoolExecutor(5) as pool:
    futures = {pool.submit(pow, n, 2): n for n in range(8)}
    print(sorted(f.result() for f in concurrent.futures.as_completed(futures, timeout=5)))
    failed = pool.submit(int, "x")
    print(type(failed.exception()).__name__, concurrent.futures.wait([failed]).not_done)
    slow = pool.submit(time.sleep, 0.2)
    try:
        slow.result(timeout=0.01)
    except concurrent.futures.TimeoutError:
        print("timeout")
local = threading.local()
local.x, variable = 1, contextvars.ContextVar("v", default=0)
context = contextvars.copy_context()
context.run(variable.set, 5)
seen = []
thread = threading.Thread(target=lambda: seen.append((hasattr(local, "x"), variable.get())))
thread.start()
thread.join()
print(seen, context[variable])
try:
    threading.excepthook = lambda args: print("hook", args.exc_type.__name__)
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
finally:
    thread.join()
# limits: admin_code_characters_max=4000
# expect: ending=exited:0  stdout="[289, 324, 361] 1\nTrue ['t0', 't1', 't2']\n['timer', 'plan'] True\n[0, 1, 4, 9, 16, 25, 36, 49]\nValueError set()\ntimeout\n[(False, 0)] 5\nhook ZeroDivisionError\n"  stderr=""  limit_hit=none
