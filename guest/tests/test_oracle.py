"""A program in a unit must end, print and complain exactly as under CPython: the real one is asked each time."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

PROGRAMS = {
    # Ways to end.
    "empty": "",
    "print": "print('hi')",
    "exit_0": "import sys; sys.exit(0)",
    "exit_none": "import sys; sys.exit()",
    "exit_3": "import sys; sys.exit(3)",
    "exit_256": "import sys; sys.exit(256)",
    "exit_minus_1": "import sys; sys.exit(-1)",
    "exit_large": "import sys; sys.exit(2**32 + 5)",
    "exit_huge": "import sys; sys.exit(2**70)",
    "exit_minus_huge": "import sys; sys.exit(-2**70)",
    "exit_true": "import sys; sys.exit(True)",
    "exit_text": "import sys; sys.exit('sörry')",
    "exit_tuple": "import sys; sys.exit((1, 2))",
    "exit_float": "import sys; sys.exit(2.5)",
    "exit_none_text": "raise SystemExit",
    "exit_two_arguments": "raise SystemExit(1, 2)",
    "exit_empty_text": "import sys; sys.exit('')",
    "exit_bad_str": "class A:\n  def __str__(self): raise ValueError\nimport sys; sys.exit(A())",
    "exit_int_subclass": "class A(int): pass\nimport sys; sys.exit(A(7))",
    "exit_code_replaced": "e = SystemExit(1)\ne.code = 9\nraise e",
    "exit_subclass": "class Q(SystemExit): pass\nraise Q(4)",
    "exit_in_finally": "import sys\ntry:\n  sys.exit(2)\nfinally:\n  print('finally')",
    "exit_nested": "import sys\ntry:\n  sys.exit(2)\nexcept SystemExit:\n  sys.exit(5)",
    "exit_from_function": "def f():\n  exit(6)\nf()",
    "quit": "quit()",
    "quit_text": "quit('x')",
    "os_exit": "import os\nprint('lost', end='')\nos._exit(3)",
    "os_exit_flushed": "import os\nprint('kept', flush=True)\nos._exit(3)",
    "abort": "import os; os.abort()",
    "sigterm": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "sigkill": "import os; os.kill(os.getpid(), 9)",
    "sigint": "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)",
    "sigint_caught": "import os, signal\ntry:\n  os.kill(os.getpid(), signal.SIGINT)\n  for i in range(10**7): pass\nexcept KeyboardInterrupt:\n  print('caught')",
    "sigalrm": "import signal, time; signal.alarm(1); time.sleep(5)",
    "sigpipe_ignored": "import signal; print(signal.getsignal(signal.SIGPIPE), signal.getsignal(signal.SIGINT))",
    "signals": "import signal\nfor s in sorted(signal.valid_signals()): print(int(s), signal.getsignal(s))\nprint(signal.pthread_sigmask(signal.SIG_BLOCK, []))",
    "keyboard_interrupt": "raise KeyboardInterrupt",
    "keyboard_interrupt_text": "raise KeyboardInterrupt('x')",
    "keyboard_interrupt_subclass": "class K(KeyboardInterrupt): pass\nraise K",
    "generator_exit": "raise GeneratorExit",
    # Tracebacks.
    "raise": "raise ValueError('x')",
    "raise_empty": "raise ValueError",
    "raise_multiline": "raise ValueError('a\\nb')",
    "raise_unicode": "raise ValueError('ünï 🐍')",
    "raise_surrogate": "raise ValueError('\\ud800')",
    "raise_class_of_main": "class MyError(Exception): pass\nraise MyError('x')",
    "raise_base": "class B(BaseException): pass\nraise B(1)",
    "raise_bad_str": "class E(Exception):\n  def __str__(self): 1/0\nraise E",
    "chain": "try:\n  1/0\nexcept ZeroDivisionError:\n  {}['k']",
    "cause": "try:\n  1/0\nexcept ZeroDivisionError as e:\n  raise KeyError('k') from e",
    "from_none": "try:\n  1/0\nexcept ZeroDivisionError as e:\n  raise KeyError('k') from None",
    "deep": "def f(n):\n  if n: f(n-1)\n  else: raise RuntimeError\nf(3)",
    "repeated": "def f(n):\n  if n: f(n-1)\n  else: raise RuntimeError\nf(30)",
    "library_frames": "import json\njson.loads('{')",
    "in_exec": "exec('1/0')",
    "in_eval": "eval('1/0')",
    "in_compiled": "exec(compile('\\n1/0', 'other.py', 'exec'))",
    "in_lambda": "sorted([1, 2], key=lambda x: x / 0)",
    "in_comprehension": "[1 / x for x in (1, 0)]",
    "in_class_body": "class A:\n  x = 1 / 0",
    "long_line": "x = " + " + ".join(["1"] * 200) + " + 1/0",
    "wide_characters": "x = '你好' + 1",
    "no_final_newline": "x = 1\nx.y",
    "carriage_returns": "x = 1\r\nprint(x)\r\n1/0\r\n",
    "form_feed": "\x0cprint(1)\n1/0",
    "notes": "e = ValueError('x')\nif hasattr(e, 'add_note'): e.add_note('note')\nraise e",
    "name_suggestion": "import math\nprnt = 1\nprint(pront)",
    "attribute_suggestion": "import math\nmath.sqt",
    "import_error": "from math import nothing",
    "module_not_found": "import nothing_of_that_name",
    "relative_import": "from . import x",
    "syntax": "x = (1,\nprint(",
    "syntax_return": "return 1",
    "syntax_await": "await x",
    "syntax_indent": "if 1:\nprint()",
    "syntax_tabs": "if 1:\n\tx\n        y",
    "syntax_nonlocal": "nonlocal x",
    "syntax_unicode": "x = “1”",
    "syntax_in_exec": "exec('(')",
    "unicode_error": "b'\\xff'.decode()",
    "assert": "assert 1 == 2, 'no'",
    "stop_iteration": "next(iter([]))",
    "exception_group": "import sys\nif sys.version_info >= (3, 11): exec('raise ExceptionGroup(\"g\", [ValueError(1), KeyError(2)])')",
    "raise_not_exception": "raise 1",
    "traceback_module": "import traceback\ntry: 1/0\nexcept Exception: traceback.print_exc()",
    "format_exc_function": "import traceback\ndef f(): 1/0\ntry: f()\nexcept Exception: print(traceback.format_exc())",
    # What a program may do to those who tell of its end.
    "exceptions_of_no_group": "print('kept')\nclass E(Exception):\n  exceptions = ['a']\nraise E('x')",
    "exceptions_is_a_number": "class E(Exception):\n  exceptions = 5\nraise E('x')",
    "exceptions_raises": "class E(Exception):\n  @property\n  def exceptions(self): raise KeyboardInterrupt\nraise E('x')",
    "cause_raises": "class E(Exception):\n  @property\n  def __cause__(self): 1/0\nraise E('x')",
    "traceback_raises": "class E(Exception):\n  @property\n  def __traceback__(self): 1/0\nraise E('x')",
    "class_is_exit": "print('kept')\nclass E(Exception):\n  @property\n  def __class__(self): return SystemExit\nraise E('x')",
    "exit_code_raises": "class Q(SystemExit):\n  @property\n  def code(self): 1/0\nraise Q(3)",
    "exit_int_says_other": "class I(int):\n  def __int__(self): return 0\n  __index__ = __int__\nraise SystemExit(I(3))",
    "exit_int_compares_not": "print('kept')\nclass I(int):\n  def __lt__(self, other): 1/0\n  __le__ = __gt__ = __ge__ = __int__ = __lt__\nraise SystemExit(I(3))",
    "isinstance_deleted": "import builtins\nprint('kept')\ndel builtins.isinstance, builtins.getattr, builtins.issubclass\n1/0",
    "isinstance_says_yes": "import builtins\nprint('kept')\nbuiltins.isinstance = builtins.issubclass = lambda *a: True\n1/0",
    "exceptions_renamed": "import builtins\nprint('kept')\nbuiltins.SystemExit = builtins.BaseException = builtins.type = Exception\n{}['k']",
    "type_is_none": "__builtins__.type = None\nprint('kept')\n1/0",
    "trace_raises": "import sys\nprint('kept')\ndef t(*a): raise ValueError\ndef f(): sys.settrace(t)\nf()\nraise KeyError('k')",
    "trace_raises_at_the_end": "import sys\nprint('kept')\ndef t(*a): raise ValueError\nsys.settrace(t)",
    "profile_raises": "import sys\nprint('kept')\ndef t(*a): raise ValueError\ntry: sys.setprofile(t)\nexcept ValueError: pass\nraise KeyError('k')",
    "audit_raises": "import sys\nprint('kept')\nsys.addaudithook(lambda e, a: 1/0)\nraise ValueError('x')",
    "sys_emptied": "import sys\nprint('kept')\nsys.__dict__.clear()",
    "builtins_emptied": "import builtins\nprint('kept')\nbuiltins.__dict__.clear()",
    "stdin_gone": "import sys\nclass A:\n  def __del__(self): print('del')\na = A()\ndel sys.__stdin__",
    "module_without_file": "import sys\nclass M:\n  def __getattr__(self, name): raise ImportError(name)\n  def __del__(self): print('del')\nsys.modules['m'] = M()\nsys.modules['n'] = None\nprint('kept')",
    # Warnings.
    "warning_is": "print(1 is 1)",
    "warning_escape": "print('\\d')",
    "warning_deprecated": "import warnings\nwarnings.warn('old', DeprecationWarning)",
    "warning_user": "import warnings\ndef f():\n  warnings.warn('w', stacklevel=2)\nf()",
    "warning_once": "import warnings\nfor i in range(3): warnings.warn('w')",
    "warning_error": "import warnings\nwarnings.simplefilter('error')\nwarnings.warn('w')",
    "warning_filters": "import warnings\nfor f in warnings.filters: print(f)",
    "warning_assert_tuple": "assert (1, 'x')",
    "warning_in_library": "import collections, re\nre.compile('[[]')",
    # Hooks.
    "excepthook": "import sys\nsys.excepthook = lambda *a: print('hook', a[0], a[1], a[2].tb_lineno)\n1/0",
    "excepthook_fails": "import sys\ndef h(*a): raise KeyError('in hook')\nsys.excepthook = h\n1/0",
    "excepthook_exits": "import sys\ndef h(*a): sys.exit(9)\nsys.excepthook = h\n1/0",
    "excepthook_missing": "import sys\ndel sys.excepthook\n1/0",
    "excepthook_none": "import sys\nsys.excepthook = None\n1/0",
    "excepthook_last": "import sys\nsys.excepthook = lambda *a: print(sys.last_type, sys.last_value, sys.exc_info())\n1/0",
    "unraisablehook": "import sys\nsys.unraisablehook = lambda u: print('u', u.exc_type, u.err_msg)\nclass A:\n  def __del__(self): 1/0\na = A()\ndel a\nb = A()",
    "displayhook": "import sys\nsys.displayhook(5)",
    "stderr_replaced": "import sys, io\nsys.stderr = sys.stdout\n1/0",
    "stderr_none": "import sys\nsys.stderr = None\n1/0",
    "exit_bad_str": "from 3.12 CPython blames the threading shutdown for the failed message",
    "exit_huge": "from 3.12 CPython blames the threading shutdown for the overflow; the code is the same",
    "exit_minus_huge": "the same",
    "stderr_broken": "import sys\nclass B:\n  def write(self, t): raise ValueError\n  def flush(self): pass\nsys.stderr = B()\n1/0",
    "settrace": "import sys\nsys.settrace(lambda *a: None)\nprint(1)",
    # atexit, threads, destructors.
    "atexit": "import atexit\natexit.register(print, 'bye')\natexit.register(print, 'first')\nprint('main')",
    "atexit_after_error": "import atexit\natexit.register(print, 'bye')\n1/0",
    "atexit_raises": "import atexit\ndef f(): 1/0\natexit.register(print, 'still')\natexit.register(f)",
    "atexit_exits": "import atexit, sys\natexit.register(sys.exit, 3)\nprint('x')",
    "atexit_nested": "import atexit\n@atexit.register\ndef f():\n  print('f')\n  atexit.register(print, 'late')",
    "thread_joined": "import threading, time\ndef f():\n  time.sleep(.1); print('thread')\nthreading.Thread(target=f).start()\nprint('main')",
    "thread_joined_before_atexit": "import threading, time, atexit\natexit.register(print, 'atexit')\ndef f():\n  time.sleep(.1); print('thread')\nthreading.Thread(target=f).start()",
    "thread_daemon": "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\nprint('main')",
    "thread_raises": "import threading\ndef f(): 1/0\nt = threading.Thread(target=f, name='T'); t.start(); t.join(); print('main')",
    "thread_exits": "import threading, sys\nt = threading.Thread(target=sys.exit, args=(3,)); t.start(); t.join(); print('main')",
    "thread_after_error": "import threading, time\ndef f():\n  time.sleep(.1); print('thread')\nthreading.Thread(target=f).start()\n1/0",
    "thread_local": "import threading\nprint(threading.main_thread() is threading.current_thread(), threading.active_count(), threading.current_thread().name)",
    "futures": "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(2) as p: print(list(p.map(abs, [-1, -2])))",
    "futures_left_open": "from concurrent.futures import ThreadPoolExecutor\nimport time\np = ThreadPoolExecutor(2)\np.submit(lambda: (time.sleep(.1), print('done')))",
    "del_at_exit": "class A:\n  def __del__(self): print('del')\na = A()\nprint('main')",
    "del_order": "class A:\n  def __init__(self, n): self.n = n\n  def __del__(self): print('del', self.n)\na = A(1)\nb = A(2)\nc = A(3)",
    "del_cycle": "class A:\n  def __del__(self): print('del')\na = A()\na.me = a\ndel a",
    "del_uses_globals": "x = 'global'\nclass A:\n  def __del__(self): print(x)\na = A()",
    "del_with_functions": "def helper(): return 'help'\nclass A:\n  def __del__(self): print(helper())\na = A()\ndef g(): return a",
    "del_raises": "class A:\n  def __del__(self): 1/0\na = A()",
    "del_after_error": "class A:\n  def __del__(self): print('del')\na = A()\n1/0",
    "del_in_frame": "class A:\n  def __del__(self): print('del')\ndef f():\n  a = A()\n  1/0\nf()",
    "del_after_exit": "import sys\nclass A:\n  def __del__(self): print('del')\na = A()\nsys.exit(2)",
    "generator_closed": "def g():\n  try: yield 1\n  finally: print('closed')\ni = g(); next(i)",
    "weakref_finalize": "import weakref\nclass A: pass\na = A()\nweakref.finalize(a, print, 'finalized')",
    "file_left_open": "f = open('x.txt', 'w')\nf.write('hello')\nimport atexit, os\nprint(os.path.getsize('x.txt'))",
    "file_read_by_child": "f = open('x.txt', 'w')\nf.write('hello')\nclass A:\n  def __del__(self, open=open): print(open('x.txt').read())\nf.close()\na = A()",
    "coroutine_never_awaited": "async def f(): pass\nf()",
    "coroutine_at_exit": "async def f(): pass\nx = f()",
    "asyncio": "import asyncio\nasync def f():\n  await asyncio.sleep(0.01)\n  return 5\nprint(asyncio.run(f()))",
    "asyncio_error": "import asyncio\nasync def f(): 1/0\nasyncio.run(f())",
    # Streams.
    "unicode": "print('héllo 你好 🐍 \\u202e \\x00\\x1b[31m\\t')",
    "surrogate": "print('\\ud800')",
    "surrogate_escaped": "print('\\udc80')",
    "surrogate_to_stderr": "import sys; print('\\ud800 \\udc80', file=sys.stderr)",
    "binary": "import sys; sys.stdout.buffer.write(bytes(range(256)))",
    "mixed": "import sys, os\nprint('a')\nsys.stdout.buffer.write(b'b\\n')\nos.write(1, b'c\\n')\nprint('d')",
    "mixed_flushed": "import sys, os\nprint('a', flush=True)\nos.write(1, b'c\\n')\nprint('d')",
    "stderr_unbuffered": "import sys, os\nsys.stderr.write('x\\n')\nsys.stderr.write('y')\nos.write(2, b'z')",
    "no_newline": "print('x', end='')",
    "large": "for i in range(50000): print(i)",
    "buffer_edge": "import os\nprint('x' * 8191)\nos.write(1, b'mark')\nprint('y' * 9000)\nos.write(1, b'mark')",
    "close_stdout": "import sys\nprint('x')\nsys.stdout.close()",
    "print_after_close": "import sys\nsys.stdout.close()\nprint('x')",
    "close_fd_1": "import os\nprint('x')\nos.close(1)",
    "close_fd_1_silent": "import os\nos.close(1)",
    "close_fd_2": "import os\nos.close(2)\n1/0",
    "stdout_none": "import sys\nsys.stdout = None\nprint('x')",
    "stdout_replaced": "import sys, io\nsys.stdout = s = io.StringIO()\nprint('x')\nsys.__stdout__.write(s.getvalue() + '!')",
    "stdout_replaced_pending": "import sys, io\nprint('pending')\nsys.stdout = io.StringIO()\nprint('x')",
    "stdout_reconfigured": "import sys\nsys.stdout.reconfigure(encoding='utf-16', errors='replace')\nprint('x')",
    "stdout_detached": "import sys\nb = sys.stdout.detach()\nb.write(b'raw')",
    "stdout_flush_raises": "import sys\nclass B:\n  closed = False\n  def write(self, t): pass\n  def flush(self): raise ValueError('no flush')\nsys.stdout = B()\nprint('x')",
    "reopen_fd_1": "open(1, 'w').write('w')",
    "reopen_fd_2": "open(2, 'w', encoding='utf-8').write('wärn\\n')",
    "redirect": "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as s: print('in')\nprint(repr(s.getvalue()))",
    "streams": "import sys\nfor s in (sys.stdin, sys.stdout, sys.stderr): print(s, s.errors, s.line_buffering, s.write_through, s.isatty(), s.buffer, s.buffer.raw.name, s.fileno(), s.mode, s.buffer.raw.closefd)",
    "stdin_whole": "import sys; print(repr(sys.stdin.read()))",
    "stdin_lines": "import sys\nfor line in sys.stdin: print(repr(line))",
    "stdin_bytes": "import sys; print(sys.stdin.buffer.read())",
    "stdin_input": "print(input('? '))\nprint(input())\ninput()",
    "stdin_input_eof": "while True: print(input())",
    "stdin_unread": "print('x')",
    "stdin_closed": "import sys\nsys.stdin.close()\ninput()",
    "stdin_fd": "import os; print(os.read(0, 100))",
    "stdin_open": "print(open(0).read())",
    "prompt_order": "import sys\nsys.stderr.write('e\\n')\nx = input('p')\nprint(x)",
    # What a script sees of itself.
    "globals": "print([k for k in globals()], __name__, __doc__, __package__, __spec__, __builtins__, type(__loader__))",
    "file": "import os; print(os.path.basename(__file__), os.path.isabs(__file__), os.path.dirname(__file__) == os.getcwd())",
    "docstring": "'''doc'''\nprint(__doc__)",
    "argv": "import sys; print(sys.argv)",
    "path": "import sys, os; print(sys.path[0] == os.getcwd())",
    "main_module": "import sys; print(sys.modules['__main__'].__dict__ is globals(), sys.modules['__main__'])",
    "reads_itself": "print(open(__file__).read())",
    "source": "import inspect\ndef f():\n  return 1\nprint(inspect.getsource(f))",
    "import_main": "x = 5\nimport __main__\nprint(__main__.x)",
    "pickle_main": "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))) is A)",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass P:\n  x: int = 1\nprint(P())",
    "annotations": "x: int = 5\nprint(__annotations__)",
    "future_annotations": "from __future__ import annotations\nx: nothing = 5\nprint(__annotations__)",
    "future_does_not_leak": "def f(x: int): pass\nprint(f.__annotations__)",
    "names_of_ours": "import sys\nprint([n for n in ('guard', 'unit', 'zygote', 'walls') if n in sys.modules])",
    "coding_ascii_only": "# -*- coding: utf-8 -*-\nprint('ä')",
    "excinfo_clean": "import sys; print(sys.exc_info(), hasattr(sys, 'last_type'))",
    "recursion_limit": "import sys; print(sys.getrecursionlimit())",
    "recursion": "def f(): f()\ntry: f()\nexcept RecursionError as e: print(e)",
    "gc": "import gc; print(gc.isenabled(), gc.get_threshold(), gc.garbage)",
    "stack": "import sys\ndef f(): return sys._getframe(1).f_code.co_name\nprint(f())",
    "umask_and_cwd": "import os; print(os.listdir('.'))",
    "time_zone": "import time; print(time.tzname, time.timezone)",
    "locale": "import locale; print(locale.getpreferredencoding(), locale.localeconv()['decimal_point'])",
    "default_encoding": "import sys; print(sys.getdefaultencoding(), sys.getfilesystemencoding())",
    "builtins_replaced": "import builtins\nbuiltins.len = None\nbuiltins.print = None\nbuiltins.str = None",
    "builtins_deleted": "import builtins\nfor n in list(vars(builtins)):\n  if n not in ('__build_class__', '__name__'): delattr(builtins, n)",
    "modules_cleared": "import sys\nprint('x')\nsys.modules.clear()",
    "main_deleted": "import sys\ndel sys.modules['__main__']\nprint('x')",
    "globals_cleared": "print('x')\nglobals().clear()",
    # Processes.
    "fork_returns": "import os\np = os.fork()\nif p: os.waitpid(p, 0)\nprint('parent' if p else 'child')",
    "fork_exits": "import os, sys\np = os.fork()\nif not p: sys.exit(3)\nprint(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]))",
    "fork_raises": "import os\np = os.fork()\nif not p: 1/0\nprint(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]))",
    "fork_atexit": "import os, atexit\natexit.register(lambda: os.write(1, b'bye\\n'))\np = os.fork()\nif p: os.waitpid(p, 0)",
    "fork_random": "import os, random\nr, w = os.pipe()\np = os.fork()\nif not p:\n  os.write(w, str(random.random()).encode()); os._exit(0)\nprint(os.read(r, 100).decode() != str(random.random()))",
    "subprocess": "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'print(5)'], capture_output=True))",
    "multiprocessing_fork": "import multiprocessing as m\ndef f(x): return x * x\nif __name__ == '__main__':\n  with m.get_context('fork').Pool(2) as p: print(p.map(f, [1, 2, 3]))",
    "multiprocessing_spawn": "import multiprocessing as m\ndef f(q): q.put('from child')\nif __name__ == '__main__':\n  c = m.get_context('spawn')\n  q = c.Queue()\n  p = c.Process(target=f, args=(q,)); p.start(); print(q.get()); p.join(); print(p.exitcode)",
    "multiprocessing_raises": "import multiprocessing as m\ndef f(): raise SystemExit(4)\nif __name__ == '__main__':\n  p = m.get_context('fork').Process(target=f); p.start(); p.join(); print(p.exitcode)",
    "process_pool": "from concurrent.futures import ProcessPoolExecutor\nimport multiprocessing as m\nif __name__ == '__main__':\n  with ProcessPoolExecutor(2, mp_context=m.get_context('fork')) as p: print(list(p.map(abs, [-1, -2])))",
}

# What is known to differ, and why it may.
ACCEPTED = {
    "audit_raises": "CPython tells of the hook's own exception",
    "builtins_deleted": "the source line is shown: what tells of the end has builtins of its own",
    "builtins_emptied": "the same, and what other libraries than ours run at exit complains",
    "coroutine_at_exit": "a second line advises tracemalloc: the module that says so is still whole",
    "del_raises": "the source line is shown: linecache is still whole",
    "exit_bad_str": "from 3.12 CPython blames the threading shutdown for the failed message",
    "exit_huge": "from 3.12 CPython blames the threading shutdown for the overflow; the code is the same",
    "exit_minus_huge": "the same",
    "trace_raises": "the source line is shown: what tells of the end is not traced",
    "trace_raises_at_the_end": "nothing complains: what ends the run is not traced",
    "stderr_broken": "CPython dumps the object with its reference count when standard error is lost",
}

FILES = {"import_attachment": [("helper.py", b"def f(): 1/0\nclass A:\n  def __del__(self): print('del in module')\na = A()\n")]}
PROGRAMS["import_attachment"] = "import helper\nprint(helper.__file__.endswith('helper.py'))\nhelper.f()"

STDIN = "línea\r\nzwei\nlast".encode() + b"\xff"


class Oracle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.zygote = harness.Zygote("core")

    @classmethod
    def tearDownClass(cls):
        cls.zygote.close()


class NoJob(unittest.TestCase):
    def test_a_unit_that_fails_before_the_program_says_why_to_the_server_alone(self):
        zygote = harness.Zygote("core")
        try:
            cut = bytes([1, 0]) + (9).to_bytes(4, "little") + b"print("
            for job, reason in ((cut, b"FEOFError: "), (b"\x02" + bytes(5), b"FValueError: ")):
                result = zygote.play_job(job)
                self.assertEqual((result.code, result.stdout, result.stderr), (70, "", ""), result)
                self.assertTrue(result.answer.startswith(reason), result.answer)
            self.assertEqual(zygote.play("raise SystemExit(70)").answer, b"")
        finally:
            zygote.close()


class Ending(unittest.TestCase):
    def test_what_is_told_in_other_words_ends_alike(self):
        zygote = harness.Zygote("core")
        try:
            for name in ("builtins_deleted", "builtins_emptied", "trace_raises", "trace_raises_at_the_end", "audit_raises"):
                ours, theirs = zygote.play(PROGRAMS[name]), harness.oracle(PROGRAMS[name])
                self.assertEqual((ours.code, ours.stdout), (theirs.code, theirs.stdout), f"{name}: {ours}")
        finally:
            zygote.close()

    def test_without_memory_a_program_fails_as_everywhere(self):
        zygote = harness.Zygote("core")
        limit = "import resource\nprint('start')\nresource.setrlimit(resource.RLIMIT_DATA, (200 << 20, 200 << 20))\n"
        try:
            for code in (
                "l = []\nwhile True: l.append(str(len(l)))",
                "l = None\nwhile True: l = [l]",
                "l = None\nwhile True: l = (l, 1.5)",
                "class Node:\n  def __init__(self, n): self.next = n\nhead = None\nwhile True: head = Node(head)",
                "import itertools\na, b = itertools.tee(itertools.count())\nfor x in a: pass",
                "def f():\n  l = None\n  while True: l = {1: l}\nf()",
            ):
                result = zygote.play(limit + code)
                self.assertEqual((result.code, result.stdout), (1, "start\n"), f"{code}: {result}")
                self.assertTrue(result.stderr.endswith("MemoryError\n"), f"{code}: {result}")
        finally:
            zygote.close()


def case(name, code):
    def ends_as_under_cpython(self):
        ours = self.zygote.play(code, STDIN, files=FILES.get(name, ()))
        theirs = harness.oracle(code, STDIN, files=FILES.get(name, ()))
        self.assertEqual(harness.comparable(ours), harness.comparable(theirs), f"\n=== ours {ours}\n=== CPython {theirs}")

    return ends_as_under_cpython


for name, code in PROGRAMS.items():
    if name not in ACCEPTED:
        setattr(Oracle, f"test_{name}", case(name, code))

if __name__ == "__main__":
    unittest.main()
