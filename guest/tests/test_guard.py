"""What a public program may import and call, and that the libraries on its list work behind the fence."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

# Programs, and the module that must be refused.
FORBIDDEN = {
    "statement": ("import os", "os"),
    "submodule": ("import os.path as p", "os"),
    "from": ("from subprocess import run", "subprocess"),
    "in_function": ("def f():\n  import socket\nf()", "socket"),
    "dunder": ("__import__('os')", "os"),
    "dunder_built_up": ("__import__('o' + 's')", "os"),
    "builtins_attribute": ("__builtins__.__import__('os')", "os"),
    "exec": ("exec('import os')", "os"),
    "eval": ("eval('__import__(\"os\")')", "os"),
    "forged_name": ("exec('import os', {'__name__': 'json', '__file__': '/usr/lib/python3.11/json/__init__.py'})", "os"),
    "library_globals": ("import json\nexec('import os', vars(json))", "os"),
    "forged_filename": ("import json\nexec(compile('import os', json.__file__, 'exec'))", "os"),
    "forged_package": ("exec('from . import path', {'__package__': 'os', '__name__': 'os.x'})", "os"),
    "import_module": ("import sys\nsys.modules['importlib'].import_module('os')", "os"),
    "attachment": ("import helper", "helper"),
    "attachment_on_path": ("import sys\nsys.path.insert(0, '.')\nimport helper", "helper"),
    "unknown": ("import no_such_module_xyz", "no_such_module_xyz"),
    "ctypes": ("import ctypes", "ctypes"),
    "builtins": ("import builtins", "builtins"),
    "ours": ("import guard", "guard"),
}

# Programs that must end with a PermissionError.
REFUSED = {
    "system_by_modules": "import sys\nsys.modules['os'].system('echo hi')",
    "system_by_attribute": "import random\nrandom._os.system('echo hi')",
    "popen": "import random\nrandom._os.popen('id')",
    "listing": "import random\nrandom._os.listdir('/')",
    "fork": "import random\nrandom._os.fork()",
    "kill": "import random\nrandom._os.kill(1, 9)",
    "spawn": "import random\nrandom._os.posix_spawn('/bin/sh', ['sh'], {})",
    "exec": "import random\nrandom._os.execv('/bin/sh', ['sh'])",
    "symlink": "import random\nrandom._os.symlink('/etc/passwd', 'x')",
    "code_set": "def f(): pass\nf.__code__ = (lambda: 1).__code__",
    "code_made": "(lambda: 1).__code__.replace(co_name='x')",
    "socket": "import sys\nsys.modules['socket'].socket()",
}

# Programs that must print `ok` last, with nothing on standard error.
ALLOWED = {
    "whole_list": """
import math, statistics, decimal, fractions, numbers, random, datetime, time, calendar, string, re, textwrap
import unicodedata, collections.abc, itertools, functools, operator, bisect, heapq, array, json, ast, typing
import enum, dataclasses, copy, pprint, hashlib, uuid, secrets, base64, sys
datetime.datetime.strptime('2024-02-03', '%Y-%m-%d'); time.strptime('2020', '%Y'); calendar.month(2024, 1)
uuid.uuid1(); uuid.uuid4(); secrets.token_hex(); copy.deepcopy({1: [2]}); hashlib.sha3_256(b'')
N = collections.namedtuple('N', 'a b'); N(1, 2)
@dataclasses.dataclass(frozen=True, slots=True)
class P: x: int = 1
class C(enum.Enum): A = 1
typing.NamedTuple('T', [('x', int)]); '\\N{BULLET}'; pprint.pformat(P())
print('ok')""",
    "future": "from __future__ import annotations\nprint('ok')",
    "files": "open('a.txt', 'w').write('hi')\nassert open('a.txt').read() == 'hi'\nprint('ok')",
    "unseen": "import sys\nassert not [n for n in sys.modules if n.split('.')[0] in ('ctypes', 'guard', 'unit', 'zygote')]\nprint('ok')",
    "caught": "try:\n  exec('import os')\nexcept ImportError as e:\n  assert str(e) == 'os' and e.name == 'os'\nprint('ok')",
    "like_c": "assert __import__('os', globals(), globals(), [], 0) is None\nprint('ok')",
    "exit": "print('ok')\nexit()",
    "attachment_does_not_shadow": "import json\nassert 'fake' not in json.__file__\nprint('ok')",
    "numpy": """
import numpy as np
np.arange(3).tofile('x.bin'); np.fromfile('x.bin', dtype=int)
np.save('a.npy', np.arange(3)); np.load('a.npy'); np.savez('z.npz', a=np.arange(2)); np.load('z.npz')['a']
np.savetxt('t.txt', np.arange(3)); np.loadtxt('t.txt'); np.random.rand(); np.random.default_rng().normal()
m = np.memmap('m.bin', dtype='u1', mode='w+', shape=(4,)); m[0] = 5; m.flush()
np.linalg.eig(np.eye(9) @ np.ones((9, 9))); np.fft.fft([1, 2]); np.polyfit([1, 2, 3], [1, 2, 3], 1)
np.testing.assert_allclose(1, 1)
print('ok')""",
    "pillow": """
from PIL import Image, ImageFilter, ImageOps, ImageEnhance, ImageDraw, ImageFont
t = Image.new('RGB', (320, 240), 'red').resize((160, 120)).rotate(180).filter(ImageFilter.GaussianBlur(1))
t = ImageOps.autocontrast(ImageEnhance.Brightness(t).enhance(1.1))
ImageDraw.Draw(t).text((1, 1), 'hi', font=ImageFont.load_default(20))
for e in 'jpg webp gif bmp png tiff pdf ico'.split(): t.save('t.' + e)
for e in 'jpg webp gif bmp png tiff'.split(): assert Image.open('t.' + e).size == (160, 120)
try: ImageFont.truetype('no-such-font.ttf')
except OSError: print('ok')""",
    "reportlab": """
from reportlab.pdfgen import canvas
from reportlab.platypus import *
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.graphics.barcode import qr
from reportlab.graphics.shapes import Drawing
from reportlab.graphics import renderPDF
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from PIL import Image as I
c = canvas.Canvas('a.pdf'); c.drawString(100, 100, 'Hello'); c.showPage(); c.save()
I.new('RGB', (5, 5)).save('i.png')
SimpleDocTemplate('b.pdf').build([Paragraph('x', getSampleStyleSheet()['Title']), Table([['a']]), Image('i.png')])
d = Drawing(10, 10); d.add(qr.QrCodeWidget('hi')); renderPDF.drawToFile(d, 'q.pdf')
pdfmetrics.registerFont(TTFont('V', 'Vera.ttf'))
print('ok')""",
    "fpdf": """
from fpdf import FPDF
from PIL import Image
import reportlab
pdf = FPDF(); pdf.add_page(); pdf.set_font('Helvetica', size=12)
pdf.cell(0, 10, 'Hello', new_x='LMARGIN', new_y='NEXT'); pdf.multi_cell(0, 8, 'One\\nTwo')
Image.new('RGB', (9, 9)).save('i.png'); pdf.image('i.png'); pdf.write_html('<b>x</b>')
with pdf.table() as t: t.row().cell('a')
pdf.add_font('V', '', reportlab.__path__[0] + '/fonts/Vera.ttf'); pdf.set_font('V'); pdf.cell(0, 10, 'x')
pdf.output('f.pdf')
print('ok')""",
}

FILES = [(name, b"print('fake')") for name in ("helper.py", "json.py", "PIL.py", "guard.py", "numpy.py")]
PACKAGES = {"numpy": "numpy", "pillow": "PIL", "reportlab": "reportlab", "fpdf": "fpdf"}


def present(name):
    try:
        __import__(name)
    except ImportError:
        return False
    return True


class Guard(unittest.TestCase):
    kind = "core"

    @classmethod
    def setUpClass(cls):
        cls.zygote = harness.Zygote(cls.kind)

    @classmethod
    def tearDownClass(cls):
        cls.zygote.close()

    def play(self, code):
        return self.zygote.play(code, public=True, files=FILES)

    def test_forbidden_imports_are_named_last(self):
        for name, (code, module) in FORBIDDEN.items():
            with self.subTest(name):
                result = self.play(code)
                self.assertEqual(result.code, 1, result)
                self.assertEqual(result.stderr.splitlines()[-1:], [f"ForbiddenImportError: {module}"], result)
                self.assertNotIn("hognose", result.stderr)

    def test_dangerous_calls_are_refused(self):
        for name, code in REFUSED.items():
            with self.subTest(name):
                result = self.play(code)
                self.assertEqual(result.code, 1, result)
                self.assertTrue(result.stderr.splitlines()[-1].startswith("PermissionError: "), result)
                self.assertNotIn("hognose", result.stderr)

    def test_listed_libraries_work(self):
        for name, code in ALLOWED.items():
            if name in PACKAGES and not all(map(present, PACKAGES.values())):
                continue
            with self.subTest(name):
                result = self.play(code)
                self.assertEqual((result.code, result.stdout.splitlines()[-1:], result.stderr), (0, ["ok"], ""), result)

    def test_a_program_that_does_not_parse_is_answered_and_not_run(self):
        for code in ("print((1", "if True:\nprint(1)", "print 'x'", "\ufeffprint(1)", "print(1)\0", "(" * 300):
            with self.subTest(code):
                result = self.play(code)
                self.assertEqual((result.code, result.stdout, result.answer[:1]), (1, "", b"S"), result)
                self.assertNotIn(b"\n", result.answer)
                self.assertTrue(result.answer[1:])
        result = self.play("x = 1\nprint((1")  # As the server's own check says it.
        self.assertTrue(result.answer.endswith(b" (your_script.py, line 2)"), result)
        self.assertFalse(result.answer.startswith(b"SSyntaxError"), result)

    def test_a_program_that_only_fails_to_compile_is_run(self):
        result = self.play("return 1")
        self.assertEqual((result.code, result.answer), (1, b""), result)
        self.assertEqual(result.stderr.splitlines()[-1], "SyntaxError: 'return' outside function")

    def test_two_runs_draw_other_random_numbers(self):
        codes = ["import random; print(random.random())", "import uuid; print(uuid.uuid1().clock_seq)"]
        if present("numpy"):
            codes.append("import numpy; print(numpy.random.rand())")
        for code in codes:
            self.assertGreater(len({self.play(code).stdout for _ in range(4)}), 1, code)


class GuardInAFullUnit(Guard):
    kind = "full"


if __name__ == "__main__":
    unittest.main()
