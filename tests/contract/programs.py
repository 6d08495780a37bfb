"""Gives the requests that schemathesis makes up programs that mean something.

A program made up by chance does not parse: whatever else is right or wrong with the request, the
answer would be 400. So `code` is replaced, by one as long where it is long.

`CONTRACT_PROGRAMS=good` takes programs that end well: then a request is accepted exactly if the
description allows it. Otherwise they end in every way there is, to see every answer described.
"""

import os
import zlib

import schemathesis

GOOD = [
    "",
    "print(6 * 7)",
    "import sys\nprint(sys.stdin.read())",
    "import sys\nprint('on the other stream', file=sys.stderr)",
    "open('out.txt', 'w').write('out')",
    "import math\nprint(math.pi)",
]
ALL = GOOD + [
    "print(",
    "import os",
    "__import__('os')",
    "1 / 0",
    "exit(3)",
    "raise SystemExit('no')",
    "while True: pass",
    "b'x' * (1 << 31)",
    "print('x' * (5 << 20))",
    "open('big', 'wb').write(b'x' * (9 << 20))",
    "import sys\nsys.stdout.buffer.write(bytes(range(256)))",
]
PROGRAMS = GOOD if os.environ.get("CONTRACT_PROGRAMS") == "good" else ALL


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    code = body.get("code") if isinstance(body, dict) else None
    if not isinstance(code, str):
        return
    chosen = zlib.crc32(repr(body).encode("utf-8", "surrogatepass")) % len(PROGRAMS)
    program = PROGRAMS[chosen]
    if len(code) > 200:
        # Its length is what is tried.
        program = (program + "\n#").ljust(len(code), "x")
    case.body = {**body, "code": program}
