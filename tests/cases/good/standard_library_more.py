# Uses what else programs of the standard library import: csv, configparser, logging, XML, HTML, email, pickle, trees of calls.
import argparse, cmath, colorsys, configparser, contextlib, csv, ctypes, dis, doctest, difflib, email.message, email.policy, gettext, graphlib
import hmac, html.parser, http.cookies, importlib.metadata, inspect, io, ipaddress, locale, logging, logging.handlers, marshal, mimetypes, os, pickle, platform
import plistlib, quopri, reprlib, resource, runpy, select, selectors, shelve, shlex, smtplib, ssl, struct, sys, symtable, sysconfig, timeit, tracemalloc, types
import unittest, urllib.parse, urllib.request, warnings, wave, weakref, xml.dom.minidom, xml.etree.ElementTree as ET, xmlrpc.client, zoneinfo

out = io.StringIO()
csv.DictWriter(out, ["a", "b"]).writerow({"a": "x,y", "b": 'q"'})
print(out.getvalue().strip(), next(csv.reader(["1;2"], delimiter=";")))
config = configparser.ConfigParser()
config.read_string("[s]\nk = 5\nl = %(k)s0")
print(config.getint("s", "l"), shlex.split("a 'b c'"), argparse.ArgumentParser().parse_args([]))
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s %(processName)s %(threadName)s")
logging.warning("careful %d", 1)
root = ET.fromstring("<r><c n='1'>t</c></r>")
print(root.find("c").get("n"), ET.tostring(root), xml.dom.minidom.parseString("<a/>").documentElement.tagName, html.unescape("&eacute;"))
print(pickle.loads(pickle.dumps({"a": {1, 2}}, 5)), marshal.loads(marshal.dumps((1, "x"))), struct.pack("<IhB", 1, -2, 3), hmac.new(b"k", b"m", "sha256").hexdigest()[:6])
message = email.message.EmailMessage(policy=email.policy.SMTP)
message["To"] = "ann@example.org"
message.set_content("é")
print(message.as_bytes()[-6:], urllib.parse.urlencode({"q": "a b&"}), ipaddress.ip_network("10.0.0.0/30").num_addresses, list(graphlib.TopologicalSorter({1: {2}}).static_order()))
print([line for line in difflib.ndiff(["a"], ["b"])], cmath.sqrt(-1), colorsys.rgb_to_hsv(1, 0, 0), inspect.signature(lambda a, *, b=1: 0), timeit.timeit("1", number=9) > 0)
with shelve.open("shelf") as shelf, contextlib.redirect_stdout(io.StringIO()) as said:
    shelf["k"] = [1]
    print("hidden")
print(said.getvalue().strip(), shelve.open("shelf")["k"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0, platform.system(), os.cpu_count() > 0, len(os.urandom(4)))
print(locale.setlocale(locale.LC_ALL, "C"), ctypes.CDLL(None).abs(-3), ctypes.sizeof(ctypes.c_long), ssl.create_default_context().check_hostname, mimetypes.guess_type("a.png")[0])


class Test(unittest.TestCase):
    def test(self):
        with self.subTest(1), self.assertRaises(ValueError):
            int("x")


print(unittest.TextTestRunner(io.StringIO()).run(unittest.defaultTestLoader.loadTestsFromTestCase(Test)).wasSuccessful(), doctest.testmod().failed)
tracemalloc.start()
kept = [bytearray(1000) for _ in range(9)]
print(tracemalloc.get_traced_memory()[0] > 9000, weakref.ref(Test)() is Test, sysconfig.get_python_version() == ".".join(platform.python_version_tuple()[:2]))
with wave.open("a.wav", "wb") as sound:
    sound.setparams((1, 2, 8000, 0, "NONE", ""))
    sound.writeframes(b"\0\0" * 800)
print(wave.open("a.wav").getnframes(), plistlib.loads(plistlib.dumps({"a": 1})), selectors.DefaultSelector().__class__.__name__)
try:
    urllib.request.urlopen("http://example.org", timeout=1)
except OSError as error:
    print("no network", type(error).__name__)
# needs: ssl
# limits: admin_code_characters_max=4000
# expect: ending=exited:0  stdout="\"x,y\",\"q\"\"\" ['1', '2']\n50 ['a', 'b c'] Namespace()\nWARNING careful 1 MainProcess MainThread\n1 b'<r><c n=\"1\">t</c></r>' a é\n{'a': {1, 2}} (1, 'x') b'\\x01\\x00\\x00\\x00\\xfe\\xff\\x03' b60090\nb'\\r\\n\\xc3\\xa9\\r\\n' q=a+b%26 4 [2, 1]\n['- a', '+ b'] 1j (0.0, 1.0, 1) (a, *, b=1) True\nhidden [1] True Linux True 4\nC 3 8 True image/png\nTrue 0\nTrue True True\n800 {'a': 1} EpollSelector\nno network URLError\n"
