"""What a public program may reach: a courtesy and a first fence, never the wall.

An admin's program runs without it, and a determined author gets round it: Python cannot be fenced in
from inside (PEP 578 says as much of audit hooks). The walls hold for both. What the fence buys is an
early, clear answer to a program that imports what it may not, or calls what would be refused anyway.

Two parts, installed after the fork and just before a public program:

- `builtins.__import__` and `importlib.import_module` look at who asks. Library code may import
  anything; the program itself, and whatever it executes from strings or files, only what is on the list.
- an audit hook refuses the calls that start processes, reach sockets or native code, or rebuild code
  objects. Refusals are `PermissionError`, which libraries that merely probe take as "not here".

What remains open is written in `docs/limitations.md`: modules reached through attributes
(`random._os`) or through `sys.modules` are visible, only their dangerous calls are refused.
"""

import builtins
import importlib
import sys

# The names of the contract. `__future__`, which is syntax rather than a module, is added wherever a list is used.
PUBLIC_IMPORTS = frozenset(
    """
    math statistics decimal fractions numbers random numpy datetime time calendar string re
    textwrap unicodedata collections itertools functools operator bisect heapq array json ast typing
    enum dataclasses copy pprint hashlib uuid secrets base64 PIL reportlab fpdf sys
    """.split()
)

# C code imports in the name of the Python code that called it: `datetime.strptime` asks for
# `_strptime` in the program's name. These may be loaded for it; the program never gets the module.
_LOADED_BY_C = frozenset(
    "_strptime _pydecimal copyreg io linecache locale os tokenize traceback unicodedata warnings zoneinfo".split()
)

_REFUSED_FAMILIES = frozenset("ctypes fcntl ftplib http imaplib nntplib poplib resource shutil smtplib socket sqlite3 subprocess syslog telnetlib urllib winreg".split())
_REFUSED_EVENTS = frozenset(
    """
    os.chflags os.chmod os.chown os.exec os.fork os.forkpty os.kill os.killpg os.link
    os.lockf os.mkfifo os.posix_spawn os.rename os.setxattr os.removexattr os.spawn os.startfile os.symlink
    os.system pickle.find_class pty.spawn signal.pthread_kill sys.addaudithook sys.remote_exec
    cpython.remote_debugger_script
    """.split()
)
_LISTINGS = frozenset(("os.listdir", "os.scandir"))


class ForbiddenImportError(ImportError):
    """A public program asked for a module that is not on the list.

    The server recognises it by the last line of the traceback, `ForbiddenImportError: <name>`, so the
    class must print without a module in front and the message must be names only.
    """


ForbiddenImportError.__module__ = "builtins"


# The text itself, where a subclass of `str` may say that it is another. A `TypeError` for what is no text.
_plain = str.__str__


# Modules that a public program does not see. Libraries that hold them keep them. Set by the zygote.
hidden = []


def prepare(allowed, libraries):
    """Makes the fence and returns the function that raises it, which is all that a waiting job pays for.

    `libraries` are the folders that only the operator writes, each with a final `/`.
    """
    is_library = _library_test(libraries)
    guards = _import_guards(frozenset(allowed) | {"__future__"}, is_library)
    audit = _auditor(libraries, is_library)

    def install():
        builtins.__import__, importlib.__import__, importlib.import_module = guards
        for name in hidden:
            sys.modules.pop(name, None)
        sys.addaudithook(audit)

    return install


def _library_test(libraries):
    modules = sys.modules
    trusted_files = tuple(libraries) + ("<frozen ",)

    def is_library(frame):
        """Whether the code in `frame` came from a library's file, and runs as that library."""
        names = frame.f_globals
        name = names.get("__name__")
        if name == "__main__" or not frame.f_code.co_filename.startswith(trusted_files):
            return False
        module = modules.get(name)
        return module is not None and getattr(module, "__dict__", None) is names

    return is_library


def _import_guards(allowed, is_library):
    real_import = builtins.__import__
    real_import_module = importlib.import_module
    modules = sys.modules
    frame_of = sys._getframe
    plain = _plain

    def __import__(name, globals=None, locals=None, fromlist=(), level=0):
        try:
            name = plain(name)
        except TypeError:
            return real_import(name, globals, locals, fromlist, level)  # It is no text, and says so.
        if level:
            package = globals.get("__package__") or globals.get("__name__") if type(globals) is dict else None
            top = package.partition(".")[0] if type(package) is str else name
        else:
            top = name.partition(".")[0]
        if top in allowed or is_library(frame_of(1)):
            return real_import(name, globals, locals, fromlist, level)
        if level and top == "__main__":
            return real_import(name, globals, locals, fromlist, level)
        if type(fromlist) is list and not fromlist and globals is locals and level == 0:
            # How `PyImport_Import` calls us from C: for the effect only, the result is dropped. A
            # program that imitates it gets `None`.
            if name in modules:
                return None
            if name in _LOADED_BY_C:
                real_import(name)
                return None
        raise ForbiddenImportError(top, name=top)

    def import_module(name, package=None):
        try:
            name = plain(name)
            package = package and plain(package)
        except TypeError:
            return real_import_module(name, package)
        top = (package if name.startswith(".") and package else name).partition(".")[0]
        if top in allowed or is_library(frame_of(1)):
            return real_import_module(name, package)
        raise ForbiddenImportError(top, name=top)

    return __import__, __import__, import_module


def _auditor(libraries, is_library):
    libraries = tuple(libraries)
    bare_libraries = tuple(folder.rstrip("/") for folder in libraries)
    frame_of = sys._getframe
    verdicts = dict.fromkeys(_REFUSED_EVENTS, True)

    def audit(event, arguments):
        verdict = verdicts.get(event)
        if verdict is False:
            return
        if verdict is None:
            if event in _LISTINGS:
                # The import system lists the folders of libraries; nothing else needs a listing.
                path = arguments[0]
                if type(path) is str and (path in bare_libraries or path.startswith(libraries)):
                    return
            elif event == "code.__new__" or event == "object.__setattr__":
                # `types.coroutine` rebuilds functions, when asyncio is imported.
                if event[0] == "o" and arguments[1] != "__code__" or is_library(frame_of(1)):
                    return
            elif event == "ctypes.dlopen" and arguments[0] is None:
                # `import ctypes` itself, which numpy does when it was not imported beforehand.
                return
            elif event.partition(".")[0] not in _REFUSED_FAMILIES:
                verdicts[event] = False
                return
        raise PermissionError(f"{event} is not available to this program")

    return audit
