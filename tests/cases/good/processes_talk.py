# Shares values, queues, pipes, locks and memory among processes, by fork and by fresh interpreters.
import concurrent.futures, multiprocessing as mp, os
from multiprocessing import shared_memory


def fill(queue, value, array, lock, connection):
    for n in range(100):
        with lock:
            value.value += 1
    array[0] = 7
    queue.put({"pid": os.getpid() > 1, "big": b"x" * 300_000})
    connection.send(["done", 1.5])
    connection.close()


def double(x):
    return 2 * x


def write(name):
    block = shared_memory.SharedMemory(name=name)
    block.buf[:5] = b"hello"
    block.close()


if __name__ == "__main__":
    for method in ("fork", "spawn"):
        context = mp.get_context(method)
        queue, value, array, lock = context.Queue(), context.Value("i", 0), context.Array("d", 3), context.Lock()
        here, there = context.Pipe(duplex=False)
        processes = [context.Process(target=fill, args=(queue, value, array, lock, there)) for _ in range(2)]
        for process in processes:
            process.start()
        got = [queue.get(timeout=8) for _ in processes]
        told = [here.recv() for _ in processes]
        for process in processes:
            process.join(8)
        print(method, value.value, array[:], len(got[0]["big"]), told[0], [process.exitcode for process in processes])
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            print(list(pool.map(double, range(5), chunksize=2)))
    context = mp.get_context("fork")
    block = shared_memory.SharedMemory(create=True, size=100_000)
    process = context.Process(target=write, args=(block.name,))
    process.start()
    process.join()
    print(bytes(block.buf[:5]), block.size >= 100_000)
    block.close()
    block.unlink()
    with context.Pool(3, maxtasksperchild=5) as pool:
        # Told below: a worker that the pool replaces by a fork meanwhile also writes what is not flushed yet.
        told = sum(pool.imap_unordered(double, range(20))), pool.starmap(pow, [(2, 3)], 1), pool.apply_async(double, (4,)).get(5)
        try:
            pool.apply(int, ("x",))
        except ValueError as error:
            refused = str(error)
    print(*told)
    print(refused)
    killed = context.Process(target=__import__("time").sleep, args=(60,))
    killed.start()
    killed.terminate()
    killed.join()
    print(killed.exitcode, mp.active_children(), mp.cpu_count() > 0, context.Barrier(1).wait(), context.Semaphore(2).acquire())
# limits: admin_code_characters_max=4000
# tiers: native gvisor
# expect: ending=exited:0  stdout="fork 200 [7.0, 0.0, 0.0] 300000 ['done', 1.5] [0, 0]\n[0, 2, 4, 6, 8]\nspawn 200 [7.0, 0.0, 0.0] 300000 ['done', 1.5] [0, 0]\n[0, 2, 4, 6, 8]\nb'hello' True\n380 [8] 8\ninvalid literal for int() with base 10: 'x'\n-15 [] True 0 True\n"  limit_hit=none
