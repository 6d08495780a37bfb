# Uses tasks, queues, timeouts, streams, subprocesses, signals, threads and locks of an event loop.
import asyncio, os, signal, socket, sys


async def produce(queue):
    for n in range(5):
        await queue.put(n)
        await asyncio.sleep(0)
    await queue.put(None)


async def consume(queue):
    return [n async for n in numbers(queue)]


async def numbers(queue):
    while (n := await queue.get()) is not None:
        yield n


async def main():
    queue = asyncio.Queue(2)
    print((await asyncio.gather(produce(queue), consume(queue)))[1])
    try:
        await asyncio.wait_for(asyncio.sleep(9), 0.02)
    except asyncio.TimeoutError:
        print("timeout")
    task = asyncio.create_task(asyncio.sleep(9))
    await asyncio.sleep(0)
    task.cancel()
    print((await asyncio.gather(task, return_exceptions=True))[0].__class__.__name__)

    loop = asyncio.get_running_loop()
    here, there = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=here)
    other = await asyncio.open_connection(sock=there)
    writer.write(b"line one\nline two\n")
    await writer.drain()
    print(await other[0].readline(), await other[0].readexactly(4))
    for end in (writer, other[1]):
        end.close()
        await end.wait_closed()

    code = "import sys; print(len(sys.stdin.read())); sys.exit(3)"
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        for _ in range(3)
    ]
    said = await asyncio.gather(*(process.communicate(b"x" * 100_000) for process in processes))
    print([out for out, _ in said], [process.returncode for process in processes])

    got = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, got.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(got.wait(), 5)
    print(await asyncio.to_thread(sum, range(10)), await loop.run_in_executor(None, max, 1, 2))
    lock, limit = asyncio.Lock(), asyncio.Semaphore(1)
    async with lock, limit:
        print(lock.locked())
    pipe_out, pipe_in = os.pipe()
    loop.call_later(0.01, os.write, pipe_in, b"p")
    ready = loop.create_future()
    loop.add_reader(pipe_out, lambda: ready.done() or ready.set_result(os.read(pipe_out, 9)))
    print(await ready)


asyncio.run(main(), debug=True)
# limits: admin_code_characters_max=4000
# expect: ending=exited:0  stdout="[0, 1, 2, 3, 4]\ntimeout\nCancelledError\nb'line one\\n' b'line'\n[b'100000\\n', b'100000\\n', b'100000\\n'] [3, 3, 3]\n45 2\nTrue\nb'p'\n"  limit_hit=none
