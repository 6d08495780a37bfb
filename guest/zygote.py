"""The warm interpreter: imports what programs will want, settles, then forks a unit whenever the keeper asks.

It is a program that knows nothing: started by exec with an empty environment, no request, key or path
ever reaches it. It runs no caller's code and reads nothing that a run wrote. Each fork serves one job.

    keeper ──control_fd──► walls.become_unit ─► fork ─┬─ parent: tells the keeper, and again
                                                      └─ child:  raises every wall, returns; unit.run(3)

`walls` is the jail's: it must have `become_unit(control_fd, try_out)`, which returns `True` in every fork that the
keeper wants, with every wall around it, and `False` when the keeper is gone. In a fork that nobody else knows of it
may call `try_out(end)` first, which plays the program that waits at descriptor 3 and then calls `end`. It
may have `descriptors`, the numbers it keeps open in the zygote beside `control_fd`.
"""

import functools
import gc
import os
import signal
import sys
import threading

import blocks
import guard
import unit

# What the job's socket is in the child.
JOB_FD = 3

EXIT_NOT_SETTLED = 71


def serve(walls, control_fd, imports_public=guard.PUBLIC_IMPORTS):
    """Settles, then becomes a unit in every fork. Returns when the keeper is gone."""
    settle(imports_public)
    trouble = unsettled({0, 1, 2, control_fd, *getattr(walls, "descriptors", ())})
    if trouble:
        sys.stderr.write(f"the zygote is not fit to fork: {trouble}\n")
        os._exit(EXIT_NOT_SETTLED)
    run, try_out = unit.run, functools.partial(unit.try_out, JOB_FD)
    # After the freeze, so that what refers to it is young when the program ends.
    unit.lay_out_main()
    if walls.become_unit(control_fd, try_out):
        del walls  # The library's door to native code is nothing for a program to find.
        try:
            run(JOB_FD)
        finally:
            # Nothing of a fork may get back to where the zygote came from.
            os._exit(unit.EXIT_NO_JOB)


def settle(imports_public=guard.PUBLIC_IMPORTS):
    """Does now, once, what each program would otherwise do for itself, and lets nothing move afterwards."""
    settle_signals()
    take_out_of_sight()
    unit.prepare(imports_public, JOB_FD)
    gc.collect()
    gc.freeze()  # So that the collection at the end of each rehearsal is a short one.
    for _ in range(20):
        unit.rehearse()
    gc.collect()
    blocks.fill_holes()
    gc.freeze()


def settle_signals():
    """Gives signals the dispositions of a script: a server under `nohup` hands down ignored ones."""
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
            try:
                signal.signal(number, signal.SIG_DFL)
            except (OSError, ValueError):
                pass  # The C library keeps two real-time signals to itself.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


# What numpy's global generator, a Mersenne Twister, has in memory: 624 words and the place of the next.
MT19937_KEY_BYTES = 624 * 4


def numpy_seeder():
    """A function that seeds numpy's global generator from the kernel; nothing where there is no numpy.

    `numpy.random.seed` makes an array of a seed sequence for that, in each unit for the first time, and a
    quarter of what a unit with numpy costs was that. Where the generator's memory proves to be what we take it
    for, the kernel's bytes go straight there.
    """
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is None:
        return None
    numpy_random.seed()
    try:
        key = mersenne_twister_key(numpy_random.mtrand._rand)
    except Exception:
        key = None  # Another numpy than we know.
    if key is None:
        return numpy_random.seed
    urandom = os.urandom

    def seed():
        key[:] = urandom(MT19937_KEY_BYTES)

    seed()
    return seed


def mersenne_twister_key(state):
    """The memory of a `RandomState`'s key, if writing there is seen to be setting it."""
    import ctypes

    address = state._bit_generator.ctypes.state_address
    key = memoryview((ctypes.c_char * MT19937_KEY_BYTES).from_address(address)).cast("B")
    before = state.get_state(legacy=False)
    expected = bytes(range(1, 209)) * (MT19937_KEY_BYTES // 208)
    key[:] = expected
    after = state.get_state(legacy=False)
    if after["state"]["key"].tobytes() != expected:
        state.set_state(before)
        return None
    # With its place at the end the key is stirred before the first number is drawn.
    after["state"]["pos"] = 624
    state.set_state(after)
    return key


def take_out_of_sight():
    """Leaves the names of this house out of the program's `sys.modules`: it may have files of these names."""
    try:
        import ctypes

        unit.flush_c_streams = ctypes.CDLL(None).fflush
    except (ImportError, OSError, AttributeError):
        pass
    unit.seed_numpy = numpy_seeder()
    for name in ("libraries", "blocks", "guard", "unit", "zygote", "walls", "bootstrap"):
        sys.modules.pop(name, None)
    guard.hidden = [name for name in sys.modules if name.partition(".")[0] in ("ctypes", "_ctypes")]
    guard.kept = [sys.modules[name] for name in guard.hidden]
    unit._thread_endings = len(threading._threading_atexits)


def unsettled(expected):
    """Says why this process must not fork, or nothing. A fork copies every descriptor and only one thread."""
    threads = os.listdir("/proc/self/task")
    if len(threads) != 1:
        return f"{len(threads)} threads instead of one"
    opened = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            os.fstat(int(name))
        except OSError:
            continue  # The descriptor of the listing itself.
        opened.add(int(name))
    if opened != expected:
        return f"open descriptors {sorted(opened)}, expected {sorted(expected)}"
    return None
