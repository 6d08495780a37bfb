"""What programs will want: imported once, and each used once, before anything of ours is there.

In the zygote, so that no unit does for itself what is the same for all.
"""

import gc
import importlib
import os
import sys
import time

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


def warm(kind):
    """Imports what a zygote of this kind has, and does once what each unit would otherwise do for the first time."""
    for name in SINGLE_THREADED:
        os.environ.setdefault(name, "1")
    # The libraries' folders can be written where the host forbids a root of our own; and compiled code would name
    # its source as it is called here, to whoever reads it elsewhere.
    sys.dont_write_bytecode = True
    # Little of what imports make is garbage, and to look for it again and again is a third of the start.
    gc.disable()
    import_all(KINDS[kind].split())
    forget_lookups()
    time.tzset()
    settle_codecs()
    for use in (use_standard_library, use_numpy, use_pillow, use_reportlab, use_fpdf):
        try:
            use()
        except Exception as error:
            sys.stderr.write(f"{use.__name__}: {type(error).__name__}: {error}\n")
    gc.enable()
    sys.dont_write_bytecode = False


def import_all(names):
    """Imports what is there. A missing package is an answer for the program that wants it, not for us."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            pass


def forget_lookups():
    """Empties the interpreter's memory of what was looked up in types, of which most was for making classes.

    It keeps the names, and many are in use nowhere else: each that is let go for another one, in a unit or shortly
    before, leaves a hole among objects that nothing else touches.
    """
    clear = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache
    clear()


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
