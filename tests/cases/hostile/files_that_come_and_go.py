# Makes, moves, opens and removes the same few names from eight processes at once, to break whoever keeps count of them.
import os, random, time

names = ["a", "b", "c", "a/a", "a/b", "b/a", "b/b", "c/a", "a/a/a", os.path.join(os.environ.get("TMPDIR", "/tmp"), "a")]
end = time.monotonic() + 5


def go():
    random.seed(os.getpid())
    held = []
    calls = [
        lambda one, other: os.mkdir(one, random.randrange(0o10000)),
        lambda one, other: os.rename(one, other),
        lambda one, other: os.unlink(one),
        lambda one, other: os.rmdir(one),
        lambda one, other: os.symlink(other, one),
        lambda one, other: os.link(one, other),
        lambda one, other: os.mkfifo(one),
        lambda one, other: os.listdir(one),
        lambda one, other: os.chmod(one, random.randrange(0o10000)),
        lambda one, other: os.truncate(one, random.choice((0, 1 << 16))),
        lambda one, other: held.append(os.open(one, os.O_NONBLOCK | os.O_RDWR | random.choice((0, os.O_CREAT, os.O_TRUNC)))),
        lambda one, other: os.pwrite(random.choice(held), b"x" * 5000, 4000),
        lambda one, other: os.pread(random.choice(held), 5000, 0),
        lambda one, other: os.close(held.pop()),
    ]
    while time.monotonic() < end:
        try:
            random.choice(calls)(random.choice(names), random.choice(names))
        except (OSError, IndexError):
            pass
        while len(held) > 50:
            os.close(held.pop())
    os._exit(0)


for _ in range(8):
    if os.fork() == 0:
        go()
ended = [os.wait()[1] for _ in range(8)]
print("held" if not any(ended) else f"ended with {ended}")
# expect: ending=exited:0  stdout="held\n"
