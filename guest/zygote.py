"""The warm interpreter: imports what programs will want, settles, then forks a unit whenever the keeper asks.

It is a program that knows nothing: started by exec with an empty environment, no request, key or path
ever reaches it. It runs no caller's code and reads nothing that a run wrote. Each fork serves one job.

    keeper ──control_fd──► walls.become_unit ─► fork ─┬─ parent: tells the keeper, and again
                                                      └─ child:  raises every wall, returns; unit.run(3)

`walls` is the jail's: it must have `become_unit(control_fd)`, which returns `True` in every fork that the
keeper wants, with every wall around it, and `False` when the keeper is gone; and may have `descriptors`,
the numbers it keeps open in the zygote beside `control_fd`.
"""

import gc
import importlib
import os
import signal
import sys
import threading
import time

import guard
import unit

# What the job's socket is in the child.
JOB_FD = 3

EXIT_NOT_SETTLED = 71

# What the contract's list names of the standard library, and what that pulls in later by itself.
LISTED = """
    __future__ array ast base64 bisect calendar collections collections.abc copy dataclasses datetime decimal
    enum fractions functools hashlib heapq itertools json math numbers operator pprint random re
    secrets statistics string sys textwrap time typing unicodedata uuid
    _strptime copyreg encodings.ascii encodings.cp1252 encodings.cp437 encodings.idna encodings.latin_1
    encodings.utf_16 encodings.utf_32 encodings.utf_8 encodings.utf_8_sig encodings.unicode_escape
    encodings.raw_unicode_escape encodings.hex_codec encodings.punycode io linecache locale stringprep
    tempfile threading tokenize traceback types warnings weakref zoneinfo
"""

# What an admin's programs import most, where it costs little memory; asyncio alone would be 2.5 MB. Not what
# wants to be told of every fork, as logging and concurrent.futures do: that costs each unit, not each user.
COMMON = """
    abc atexit binascii bz2 cmath contextlib contextvars csv
    errno fnmatch glob gzip hmac importlib importlib.util inspect io keyword lzma os os.path pathlib
    pickle platform queue select selectors shlex shutil signal socket stat struct subprocess timeit
    urllib.parse zlib
"""

NUMPY = """
    numpy numpy.fft numpy.lib numpy.lib.stride_tricks numpy.linalg numpy.ma numpy.polynomial numpy.random
    numpy.typing
"""

PILLOW = """
    PIL PIL.Image PIL.ImageChops PIL.ImageColor PIL.ImageDraw PIL.ImageEnhance PIL.ImageFile PIL.ImageFilter
    PIL.ImageFont PIL.ImageMath PIL.ImageOps PIL.ImagePalette PIL.ImageSequence PIL.ImageStat PIL.ImageText
    PIL.ExifTags PIL.PngImagePlugin
"""

REPORTLAB = """
    reportlab reportlab.lib reportlab.lib.colors reportlab.lib.enums reportlab.lib.pagesizes
    reportlab.lib.styles reportlab.lib.units reportlab.lib.utils reportlab.pdfgen.canvas
    reportlab.pdfbase.pdfmetrics reportlab.pdfbase.ttfonts reportlab.pdfbase.cidfonts reportlab.platypus
    reportlab.platypus.tables reportlab.graphics.shapes reportlab.graphics.renderPDF
    reportlab.graphics.charts.barcharts reportlab.graphics.charts.linecharts
    reportlab.graphics.charts.piecharts
"""

FPDF = "fpdf fpdf.enums fpdf.fonts"

KINDS = {
    "core": LISTED + COMMON,
    "numpy": LISTED + COMMON + NUMPY,
    "full": LISTED + COMMON + NUMPY + PILLOW + REPORTLAB + FPDF,
}

# One thread for a matrix product: the run has a few processes and threads to spend, and the fork
# needs a parent with one. Kept for the program's own children, for the same reason.
SINGLE_THREADED = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def serve(walls, kind, control_fd, imports_public=guard.PUBLIC_IMPORTS):
    """Warms up as `kind`, then becomes a unit in every fork. Returns when the keeper is gone."""
    for name in SINGLE_THREADED:
        os.environ.setdefault(name, "1")
    # The libraries' folders can be written where the host forbids a root of our own; and compiled code would name
    # its source as it is called here, to whoever reads it elsewhere.
    sys.dont_write_bytecode = True
    import_all(KINDS[kind].split())
    settle(imports_public)
    sys.dont_write_bytecode = False
    trouble = unsettled({0, 1, 2, control_fd, *getattr(walls, "descriptors", ())})
    if trouble:
        sys.stderr.write(f"the zygote is not fit to fork: {trouble}\n")
        os._exit(EXIT_NOT_SETTLED)
    if walls.become_unit(control_fd):
        del walls  # The library's door to native code is nothing for a program to find.
        try:
            unit.run(JOB_FD)
        finally:
            # Nothing of a fork may get back to where the zygote came from.
            os._exit(unit.EXIT_NO_JOB)


def import_all(names):
    """Imports what is there. A missing package is an answer for the program that wants it, not for us."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            pass


def settle(imports_public=guard.PUBLIC_IMPORTS):
    """Does now, once, what each program would otherwise do for itself, and lets nothing move afterwards."""
    time.tzset()
    settle_signals()
    settle_codecs()
    for warm_up in (use_standard_library, use_numpy, use_pillow, use_reportlab, use_fpdf):
        try:
            warm_up()
        except Exception as error:
            sys.stderr.write(f"{warm_up.__name__}: {type(error).__name__}: {error}\n")
    take_out_of_sight()
    unit.prepare(imports_public, JOB_FD)
    for _ in range(20):
        unit.rehearse()
    forget_the_host()
    gc.collect()
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


def settle_codecs():
    for name in ("ascii", "utf-8", "utf8", "UTF-8", "latin-1", "utf-16", "utf-32", "utf-8-sig", "cp1252", "idna"):
        "a".encode(name)


def use_standard_library():
    import datetime
    import decimal
    import hashlib
    import json
    import re
    import statistics
    import string
    import textwrap

    datetime.datetime.strptime("2020-01-02", "%Y-%m-%d").strftime("%A")
    decimal.Decimal(1) / 3
    hashlib.sha256(b"").hexdigest()
    hashlib.md5(b"", usedforsecurity=False)
    json.loads(json.dumps({"a": [1, 2.5, None]}, indent=1))
    re.findall(r"\w+", "a b")
    statistics.stdev([1, 2, 3])
    string.Template("$a").substitute(a=1)
    textwrap.dedent(" a")
    exec(compile("f'{1:>4}'", "settle", "exec", dont_inherit=True), {})


def use_numpy():
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return
    square = numpy.eye(4)
    str(numpy.linalg.solve(square, square @ square))
    numpy.linalg.svd(square)
    numpy.linalg.eig(square)
    numpy.fft.fft([1.0, 0.0])
    numpy.random.default_rng(1).normal(size=2)
    repr(numpy.array([1.5, 2]))
    numpy.sort(numpy.arange(4)[::-1]).mean()
    numpy.array(["2020-01-01"], dtype="datetime64[D]").astype(str)


def use_pillow():
    if "PIL.Image" not in sys.modules:
        return
    import io

    from PIL import Image, ImageDraw, ImageFilter, ImageFont

    Image.preinit()
    Image.init()
    image = Image.new("RGB", (16, 16), "white")
    ImageDraw.Draw(image).text((0, 0), "a", fill="black", font=ImageFont.load_default())
    image = image.resize((8, 8)).filter(ImageFilter.BLUR)
    for kind in ("PNG", "JPEG"):
        buffer = io.BytesIO()
        image.save(buffer, kind)
        Image.open(io.BytesIO(buffer.getvalue())).load()


def use_reportlab():
    if "reportlab.platypus" not in sys.modules:
        return
    import io

    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

    canvas = Canvas(io.BytesIO())
    canvas.drawString(10, 10, "a")
    canvas.save()
    style = getSampleStyleSheet()["Normal"]
    SimpleDocTemplate(io.BytesIO()).build([Paragraph("a <b>b</b>", style), Table([["a"]])])


def use_fpdf():
    fpdf = sys.modules.get("fpdf")
    if fpdf is None:
        return
    pdf = fpdf.FPDF()
    pdf.add_page()
    pdf.set_font("Helvetica", size=12)
    pdf.cell(0, 10, "a", new_x="LMARGIN", new_y="NEXT")
    pdf.multi_cell(0, 8, "a")
    pdf.output()


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
    for name in ("guard", "unit", "zygote", "walls", "bootstrap"):
        sys.modules.pop(name, None)
    guard.hidden = [name for name in sys.modules if name.partition(".")[0] in ("ctypes", "_ctypes")]
    guard.kept = [sys.modules[name] for name in guard.hidden]
    unit._thread_endings = len(threading._threading_atexits)


def forget_the_host():
    """Drops what modules remember of the machine from outside the walls: its name, which a run has another of."""
    try:
        import platform

        platform._uname_cache = None
    except ImportError:
        pass


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
