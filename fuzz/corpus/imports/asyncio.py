# Runs an event loop, which needs a socket pair and epoll.
import asyncio


async def say(word):
    await asyncio.sleep(0.01)
    return word


async def main():
    print(await asyncio.gather(say("a"), say("b")))
    process = await asyncio.create_subprocess_exec(__import__("sys").executable, "-c", "print(1)", stdout=asyncio.subprocess.PIPE)
    print((await process.communicate())[0])


asyncio.run(main())
# expect: ending=exited:0  stdout="['a', 'b']\nb'1\\n'\n"  stderr=""
