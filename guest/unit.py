"""One run: takes the job from the socket, plays the program as CPython plays a script, and dies.

A fork of the zygote calls `run` when every wall is up. Until the job arrives it does all that does not
depend on the job; between the job's last byte and the program's first instruction stand one decode, one
small file, one compile. Between the program's end and `_exit` stands what a script may rely on: threads
joined, `atexit`, flushed streams, `__del__`. The interpreter itself is never finalized.

The job, a stream: version (1), flags (bit 0: public), code length (4 bytes, little-endian), code (UTF-8).
We answer at most once: `S` and one line, if a public program does not parse, `F` and one line, if we fail. The socket
closes before the program's first instruction: its end of file means "running".

The sequence of an ending follows `Py_RunMain`, `Py_FinalizeEx` and `finalize_modules` of CPython;
`tests/test_oracle.py` compares both, program by program.
"""

import _signal
import _thread
import atexit
import builtins
import functools
import gc
import importlib.machinery
import io
import itertools
import linecache
import os
import random
import select
import signal
import struct
import sys
import tempfile
import threading
import uuid
import warnings
from types import ModuleType, SimpleNamespace

import guard

# The functions below look their names up here, whatever a program does to `builtins`.
__builtins__ = dict(builtins.__dict__)

SCRIPT = "your_script.py"

VERSION = 1
FLAG_PUBLIC = 1

# The job's head: version, flags, length of the code.
_unpack_head = functools.partial(struct.Struct("<BBI").unpack_from)
HEAD_BYTES = 6
# Most programs are shorter. Room for more is memory that each unit is given.
FIRST_READ_BYTES = 4096
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# Where a run's own folder is, in a root of its own: what the environment's constants say.
WORK = "/box/work"

# Exit codes of our own trouble, which the server tells from a program's by what we say on the job's socket.
EXIT_UNPARSABLE = 1
EXIT_NO_JOB = 70
# How long a unit waits for a job before it rehearses. Milliseconds.
REHEARSAL_PAUSE_MS = 30
# The number of a unit's only thread, where it has a PID namespace: the run's first process is its init.
THREAD_NUMBER = 2
# One page: most programs are no longer.
_ROOM = bytes(4096)
_SCRIPT_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
# What CPython exits with when an exception ended the program, and when standard output could not be flushed.
EXIT_RAISED = 1
EXIT_UNFLUSHED = 120

# Found once: to look a name up in a module writes to more pages than to use what it names, and each page that a
# unit writes to is copied for it. Through a `partial`, so that the references that come and go are counted there,
# side by side, and not where the interpreter once began.
_close, _exit, _getcwd, _open, _pwrite = map(functools.partial, (os.close, os._exit, os.getcwd, os.open, os.pwrite))
_read, _truncate, _write = map(functools.partial, (os.read, os.ftruncate, os.write))
_collect, _count_objects = map(functools.partial, (gc.collect, gc.get_count))
_set_trace, _set_profile = map(functools.partial, (sys.settrace, sys.setprofile))
_count_threads, _thread_number = map(functools.partial, (_thread._count, _thread.get_native_id))
_insert_path, _run_at_exit = map(functools.partial, (sys.path.insert, atexit._run_exitfuncs))
_modules = sys.modules
_names_of_sys = sys.__dict__
_find_in_sys = functools.partial(_names_of_sys.get)
_main_thread = threading.main_thread()
_count_thread_endings = functools.partial(threading._threading_atexits.__len__)
_display = sys.__excepthook__
_unraisable = sys.__unraisablehook__
# What an exception has, and not what a class of the program's says that it has.
_traceback_of, _put_traceback = BaseException.__traceback__.__get__, BaseException.__traceback__.__set__
_cause_of, _context_of = BaseException.__cause__.__get__, BaseException.__context__.__get__
_group_type = getattr(builtins, "BaseExceptionGroup", ())
_members_of = _group_type and _group_type.exceptions.__get__
_number_of = int.__index__
_missing = object()
_loader_type = importlib.machinery.SourceFileLoader
_only_ast = 0x0400  # ast.PyCF_ONLY_AST, without the import
_newer_flush_message = sys.version_info >= (3, 13)
_OURS = frozenset({"sys", (lambda: 0).__code__.co_filename, guard.prepare.__code__.co_filename})

# What the libraries want done when threads end; it is nothing where there were no threads.
_thread_endings = 0

# Set by the zygote where ctypes is there: `fflush(NULL)`, for what C code has left in stdio's buffers.
flush_c_streams = None
# Set by the zygote where numpy is there: gives numpy's global generator a stream of its own.
seed_numpy = None


# Let go of when a program has used up its memory, so that there is some to tell of it: where a limit counts what is
# mapped, the interpreter needs room for one more of its arenas. No page of it is ever written to.
_reserve = bytes(5 << 18)
# The streams that units begin with.
_streams = ()

# What every unit of a zygote has from it: the libraries' folders, and the fence of a public program.
_libraries = _raise_fence = None
# The program's text, for whom tracebacks ask if its file is gone, as from another folder.
_source = None
# Waits for the job, so many milliseconds at most.
_wait_for_job = None
# `random.seed` without the Python around it, whose pages each unit would have to copy.
_seed = functools.partial(super(random.Random, random._inst).seed)


def prepare(imports_allowed, job_fd):
    """Does once, in the zygote, what is the same for every unit: each page that a fork does not write is shared."""
    global _libraries, _raise_fence, _streams, _wait_for_job
    poll = select.poll()
    poll.register(job_fd, select.POLLIN)
    poll.poll(0)
    _wait_for_job = functools.partial(poll.poll)
    random.seed()
    _open_streams()
    _streams = sys.stdout, sys.stderr
    tempfile._name_sequence = None
    uuid._node = None
    uuid._last_timestamp = None
    if hasattr(uuid, "_last_timestamp_v7"):
        uuid._last_timestamp_v7 = None
        uuid._last_counter_v7 = 0
    if hasattr(uuid, "_last_timestamp_v6"):
        uuid._last_timestamp_v6 = None
    sys.argv = [SCRIPT]
    sys.orig_argv = [sys.executable, SCRIPT]
    _libraries = _find_libraries()
    _raise_fence = guard.prepare(imports_allowed, _libraries)
    linecache.cache[SCRIPT] = (_give_source,)
    _main_thread._native_id = THREAD_NUMBER


def lay_out_main():
    """Makes the program's `__main__`, where every unit finds it."""
    _modules["__main__"] = _main_module(f"{WORK}/{SCRIPT}")


def run(job_fd):
    """Plays one job and ends the process. Never returns, in this process or in a fork the program makes."""
    global _source
    status = EXIT_NO_JOB
    try:
        _seed()
        if seed_numpy is not None:
            seed_numpy()
        if _thread_number() != THREAD_NUMBER:
            _main_thread._native_id = _thread_number()
        folder = _getcwd()
        if folder != WORK:
            _live_on_the_host(folder)
            _modules["__main__"] = _main_module(f"{folder}/{SCRIPT}")
        script = _open(SCRIPT, _SCRIPT_FLAGS, 0o644)  # An attachment of its name is not put there.
        _write(script, _ROOM)
        if not _wait_for_job(REHEARSAL_PAUSE_MS):
            # Nobody has come yet: there is time. Where units are wanted as fast as they are made, a
            # rehearsal would only come before the play, and costs as much as the play.
            rehearse()
            _modules["__main__"] = _main_module(f"{folder}/{SCRIPT}")

        public, code = _receive(job_fd)

        try:
            # Tracebacks and children read it there.
            _pwrite(script, code, 0)
            _truncate(script, len(code))
        except OSError:
            pass  # A full workspace costs the source lines in a traceback, not the run.
        _close(script)
        if not public and code[:3] == _BYTE_ORDER_MARK:
            code = code[3:]  # As CPython does with a file; a public program with one does not parse.
        _source = text = str(code, "utf-8")
        failure = program = None
        try:
            # From `str`, so that a coding line has no effect: what was checked is what runs.
            program = compile(text, SCRIPT, "exec", dont_inherit=True)
        except BaseException as error:
            failure = error
        if failure is not None and public:
            complaint = _unparsable(text)
            if complaint is not None:
                status = EXIT_UNPARSABLE
                _write(job_fd, b"S" + complaint.encode("utf-8", "replace"))
                return
        text = code = None
        if public:
            _raise_fence()
        else:
            _insert_path(0, folder)
        before = len(_modules), len(_names_of_sys)
        _close(job_fd)

        status = 0
        if failure is None:
            try:
                exec(program, _modules["__main__"].__dict__)
            except BaseException as error:
                failure = error
        interrupted = type(failure) is KeyboardInterrupt
        try:
            _set_trace(None)
            _set_profile(None)
        except BaseException:
            pass  # A function that raises where it is told of a call is told of no other.
        if failure is not None:
            status = EXIT_RAISED  # Whatever comes of telling why.
            program = None
            try:
                status = _report(failure)
            except BaseException:
                _report_plainly(failure)
            failure = None
        program = None
        status = _end(status, *before)
        if interrupted:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)  # Not `os.kill`, which the fence of a public program refuses.
    except BaseException as error:
        if status == EXIT_NO_JOB:
            _write(job_fd, f"F{type(error).__name__}: {error}".encode("utf-8", "replace"))
        else:
            _save_output()
    finally:
        _exit(status & 0xFF)


# Before the job.

_REHEARSAL = """
import sys
from math import pi as number
def call(first, *rest, second=2, **names):
    values = [value * second for value in rest if value]
    return {"text": f"{first:>{second}} {number}", **names}, values
class Thing:
    kind = "thing"
    def __init__(self): self.name = call(1, 2, 3, a=4)
try:
    for thing in (Thing(), None):
        with_name = thing.name if thing else call(0)
    while False: pass
    raise ValueError(with_name)
except (KeyError, ValueError) as error:
    lines = "\\n".join(str(part) for part in error.args).split()
assert lines and not False, "rehearsed"
print(end="")
"""


def rehearse():
    """Walks through what follows the job, so that nothing on that way is done for the first time.

    In the zygote it leaves code specialized and memory laid out; in a fork it makes the pages that
    the way writes to the fork's own, while nobody waits. It took 60 % off the time to the program.
    """
    names = {"__name__": "rehearsal", "__builtins__": builtins}
    exec(compile(_REHEARSAL, SCRIPT, "exec", dont_inherit=True), names)
    _flush_streams()
    _clear_program(len(_modules), len(_names_of_sys))
    if flush_c_streams is not None:
        flush_c_streams(None)
    _collect()


def try_out(job_fd, end):
    """Plays a job as `run` does, but for its file, and calls `end` where the process would end. In a fork of the zygote that
    only it knows of: which pages that writes to is what every unit will write to, so nothing else is made here."""
    global _exit, _getcwd, _open, _truncate
    _exit, _getcwd, _open, _truncate = end, _give_work, _give_null, _give_null
    run(job_fd)


def _give_null(*_):
    return 0  # A zygote's standard input is /dev/null, to read and to write.


_give_work = functools.partial(str, WORK)


def _live_on_the_host(folder):
    """Where the host forbids a root of the run's own: its folders have other names, and modes are nothing it may set."""
    temporary = os.path.join(os.path.dirname(folder), "tmp")
    os.environ.update(HOME=folder, TMPDIR=temporary, MPLCONFIGDIR=temporary)
    tempfile.tempdir = None
    shutil = sys.modules.get("shutil")
    if shutil is not None:
        # Copies are of contents. To set a mode or a time fails, as a program that asks for it sees.
        shutil.copymode = shutil.copystat = _copy_no_modes


def let_no_signal_interrupt_forks():
    """Where the keeper is asked for each fork: a signal that comes while the call waits would end it with `EINTR`."""
    # Not `signal`'s, which makes an enumeration of each number: half as long again as the fork.
    fork, mask, every = os.fork, _signal.pthread_sigmask, [*map(int, signal.valid_signals())]

    @functools.wraps(fork)
    def fork_without_signals():
        before = mask(signal.SIG_BLOCK, ())
        try:
            mask(signal.SIG_BLOCK, every)  # Here: it may run a handler that raises.
            return fork()
        finally:
            mask(signal.SIG_SETMASK, before)

    os.fork = fork_without_signals


def _copy_no_modes(src, dst, *, follow_symlinks=True):
    pass


def _open_streams():
    """Opens `sys.stdin`, `stdout` and `stderr`, as `create_stdio` of CPython does.

    In the zygote: a unit has other pipes at the same numbers. Whether they can be sought is asked
    once and remembered, so there must be pipes there for the moment.
    """
    kept = [os.dup(descriptor) for descriptor in (0, 1, 2)]
    reader, writer = os.pipe()
    os.dup2(reader, 0)
    os.dup2(writer, 1)
    os.dup2(writer, 2)
    try:
        _open_streams_on_pipes()
    finally:
        for descriptor, own in enumerate(kept):
            os.dup2(own, descriptor)
        for descriptor in (*kept, reader, writer):
            os.close(descriptor)


def _open_streams_on_pipes():
    for descriptor, name, mode, errors in (
        (0, "stdin", "r", "surrogateescape"),
        (1, "stdout", "w", "surrogateescape"),
        (2, "stderr", "w", "backslashreplace"),
    ):
        try:
            binary = io.open(descriptor, mode + "b", closefd=False)
        except OSError:
            stream = None  # As CPython: no descriptor, no stream.
        else:
            binary.raw.name = f"<{name}>"
            stream = io.TextIOWrapper(binary, "utf-8", errors, "\n", name == "stderr")
            stream.mode = mode
            if mode == "w":
                # Into the pipe: what the way from here to there looks up is found.
                stream.write("\n")
                stream.flush()
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _find_libraries():
    """The folders that only the operator writes: where the interpreter looks for modules."""
    return tuple({entry.rstrip("/") + "/" for entry in sys.path if entry.startswith("/")})


def _main_module(path):
    """An empty `__main__` with the names, in the order, that CPython gives a script's."""
    main = ModuleType("__main__")
    names = main.__dict__
    names["__loader__"] = _loader_type("__main__", path)
    if sys.version_info < (3, 14):
        names["__annotations__"] = {}
    names["__builtins__"] = builtins
    names["__file__"] = path
    if sys.version_info < (3, 15):
        names["__cached__"] = None
    return main


def _receive(job_fd):
    """Reads the job: whether it is public, and the program's bytes."""
    buffer = _read(job_fd, FIRST_READ_BYTES)
    if not buffer:
        _exit(0)  # The keeper let go of a unit that it no longer needs.
    while len(buffer) < HEAD_BYTES:
        buffer += _read_more(job_fd)
    version, flags, length = _unpack_head(buffer)
    while len(buffer) < HEAD_BYTES + length:
        buffer += _read_more(job_fd)
    if version != VERSION:
        raise ValueError("the job has another version")
    return bool(flags & FLAG_PUBLIC), buffer[HEAD_BYTES : HEAD_BYTES + length]


def _read_more(job_fd):
    more = _read(job_fd, 1 << 20)
    if not more:
        raise EOFError("the job ended early")
    return more


# The program.


def _give_source():
    return _source


def _unparsable(text):
    """One line that says why the program does not parse; `None` if it does, and only compiling it fails."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, SCRIPT, "exec", _only_ast, True)
    except SyntaxError as error:
        complaint = str(error)  # As `message (your_script.py, line 1)`.
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        complaint = str(error) or "too deeply nested"
    else:
        return None
    return " ".join(complaint.split())


def _report(failure):
    """Does for an uncaught exception what `PyErr_Print` does, and says the exit code."""
    global _reserve
    kind = type(failure)
    if issubclass(kind, MemoryError):
        _reserve = None
    if issubclass(kind, SystemExit):
        return _exit_code(failure)
    _strip(failure)
    trace = _traceback_of(failure)
    sys.last_type, sys.last_value, sys.last_traceback = kind, failure, trace
    if sys.version_info >= (3, 12):
        sys.last_exc = failure
    hook = getattr(sys, "excepthook", _missing)
    if hook is _missing:
        _say("sys.excepthook is missing\n")
        _display(kind, failure, trace)
        return EXIT_RAISED
    trouble = None
    try:
        hook(kind, failure, trace)
    except BaseException as error:
        trouble = error
    if trouble is not None:
        if issubclass(type(trouble), SystemExit):
            return _exit_code(trouble)
        _strip(trouble)
        _say("Error in sys.excepthook:\n")
        _display(type(trouble), trouble, _traceback_of(trouble))
        _say("\nOriginal exception was:\n")
        _display(kind, failure, trace)
    return EXIT_RAISED


def _report_plainly(failure):
    """The same with the least that can fail, as where there is no memory, or an audit hook of the program's raises."""
    global _reserve
    _reserve = None
    try:
        trace = _traceback_of(failure)
        # The first frame is `run`.
        _put_traceback(failure, trace and trace.tb_next)
        _display(type(failure), failure, None)
    except BaseException:
        pass


def _exit_code(request):
    """The exit code that a `SystemExit` asks for; anything but a number or `None` is a message and 1."""
    try:
        code = request.code
    except BaseException:
        code = request
    if code is None:
        return 0
    if issubclass(type(code), int):
        number = _number_of(code)
        # A C `long` cut to `int`; what does not fit a `long` is -1.
        return number & 0xFF if -(1 << 63) <= number < 1 << 63 else 0xFF
    try:
        sys.stderr.write(str(code))
    except BaseException:
        pass
    _say("\n")
    return 1


def _strip(failure):
    """Takes our own frames out of an exception's traceback, and of those it came from."""
    seen = set()
    waiting = [failure]
    while waiting:
        error = waiting.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        whole = trace = _traceback_of(error)
        while trace is not None and trace.tb_frame.f_code.co_filename in _OURS:
            trace = trace.tb_next
        if trace is not whole:
            _put_traceback(error, trace)
        while trace is not None:
            after = trace.tb_next
            while after is not None and after.tb_frame.f_code.co_filename in _OURS:
                after = after.tb_next
            if after is not trace.tb_next:
                trace.tb_next = after
            trace = after
        waiting.append(_cause_of(error))
        waiting.append(_context_of(error))
        if issubclass(type(error), _group_type):
            waiting.extend(_members_of(error))


def _say(text):
    try:
        sys.stderr.write(text)
    except BaseException:
        pass


# After the program.


def _end(status, modules_before, names_before):
    """Ends the run as CPython ends a script, up to where it would take the interpreter apart."""
    if _find_in_sys("unraisablehook") is _unraisable:
        _names_of_sys["unraisablehook"] = _show_unraisable
    if _count_threads() or _count_thread_endings() > _thread_endings:
        try:
            threading._shutdown()
        except BaseException as error:
            _ignore(error, threading)
    try:
        _run_at_exit()
    except BaseException:
        pass  # Its own troubles it tells itself. This is a signal's.
    flushed = _flush_streams()
    try:
        _clear_program(modules_before, names_before)
    except BaseException:
        pass
    # Again, for what destructors printed; a trouble is told once.
    flushed = flushed and _flush_streams()
    if _find_in_sys("stdout") is not _streams[0]:
        _save_output()
    if flush_c_streams is not None:
        flush_c_streams(None)
    return status if flushed else EXIT_UNFLUSHED


def _save_output():
    """Writes what the program printed and then lost, or where it took apart what ends it."""
    for stream in _streams:
        try:
            stream.flush()
        except BaseException:
            pass


def _flush_streams():
    flushed = True
    streams = ("stdout", _find_in_sys("stdout")), ("stderr", _find_in_sys("stderr"))
    for name, stream in streams:
        try:
            if stream is None or stream.closed:
                continue
        except BaseException:
            pass  # Then it is flushed, as one that is open.
        try:
            stream.flush()
        except BaseException as error:
            flushed = False
            if name == "stderr":
                pass  # There is nobody to tell.
            elif _newer_flush_message:
                _ignore(error, None, "Exception ignored on flushing sys.stdout")
            else:
                _ignore(error, stream)
    return flushed


def _clear_program(modules_before, names_before):
    """Drops the program's modules, so that its objects' `__del__` run and its open files are written.

    Modules of the libraries stay: nothing that a script can notice is in them, and they are many.
    """
    if len(_names_of_sys) != names_before:
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            if name in _names_of_sys:
                _names_of_sys[name] = None
    sys.stdin, sys.stdout, sys.stderr = map(_find_in_sys, ("__stdin__", "__stdout__", "__stderr__"))
    names = ["__main__"]
    if len(_modules) > modules_before:
        names += _program_modules(len(_modules) - modules_before)
    # Nothing is in the oldest generation but what was frozen, unless the program's own collections
    # moved it there; looking at the younger ones alone is four times as fast.
    _drop(_modules, names, _collect if _count_objects()[2] else _collect_young)


def _program_modules(count):
    """Of the modules that were imported last, those that are no library's."""
    latest = itertools.islice(reversed(_modules), count)
    return [name for name in tuple(latest) if not _file_of(_modules[name]).startswith(_libraries)]


def _file_of(module):
    try:
        return str(getattr(module, "__file__", None) or "")
    except BaseException:
        return ""  # It is a program's: those of libraries have theirs.


def _collect_young():
    _collect(1)


# Destructors run in a frame that calls itself line 1 of `sys`, as the warnings of a real exit do.
exec(
    compile(
        "def _drop(modules, names, collect): modules.update(dict.fromkeys(names)); collect()",
        "sys",
        "exec",
        dont_inherit=True,
    )
)


def _show_unraisable(arguments):
    """The default hook without our own frames: what runs at the end is called by us, not by C."""
    try:
        _strip(arguments.exc_value)
        trace = _traceback_of(arguments.exc_value)
        arguments = _hook_arguments((*arguments[:2], trace, *arguments[3:]))
    except BaseException:
        pass  # A program that took `builtins` apart still hears of its exception.
    _unraisable(arguments)


def _ignore(error, owner, message=None):
    """Reports an exception that nobody can catch any more, through `sys.unraisablehook` as CPython does."""
    _strip(error)
    arguments = (type(error), error, _traceback_of(error), message, owner)
    try:
        hook = sys.unraisablehook
        if hook in (_unraisable, _show_unraisable) and _hook_arguments is not None:
            hook(_hook_arguments(arguments))
        else:
            names = ("exc_type", "exc_value", "exc_traceback", "err_msg", "object")
            hook(SimpleNamespace(**dict(zip(names, arguments))))
    except BaseException:
        pass


def _capture_hook_arguments():
    """The type that `sys.unraisablehook` insists on; CPython gives it no name."""
    caught = []

    class Broken:
        def __del__(self):
            raise Exception

    before = sys.unraisablehook
    sys.unraisablehook = lambda arguments: caught.append(type(arguments))
    try:
        Broken()
    finally:
        sys.unraisablehook = before
    return caught[0] if caught else None


_hook_arguments = _capture_hook_arguments()
