"""Where a zygote begins, or a unit that is alone in a sandbox: loads the walls, then hands over to `zygote.serve`.

Executed by the keeper as `python3 -I -X utf8 /usr/lib/hognose/main.py` inside the template root, or from a folder
of the server's where the host forbids one, with what it is, the kind, the limits and the public import list as
arguments, an environment of constants, standard input and output on /dev/null, and the keeper's socket as
descriptor 3. In a sandbox the job's socket is descriptor 0, and output and error are the run's own already.
"""

import importlib
import os
import sys

FOLDER = os.path.dirname(__file__)
CONTROL_FD = 3
# What `hognose_become_unit` returns in forks.
IN_UNIT, IN_TRIAL = 1, 2


class Walls:
    """The jail's half of the fork, as `zygote.serve` wants it. The library keeps the state."""

    def __init__(self, limits):
        import ctypes  # Here: the module's names can be seen from every frame of a program.

        # One reference more than there are: to take this apart in each unit would cost it twenty pages.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))
        # PyDLL: the interpreter's lock is kept, since there is no other thread to give it to, and it
        # must be held on both sides of a fork that CPython does not know of.
        self._library = ctypes.PyDLL(FOLDER + "/libconfine.so")
        self._library.hognose_open.argtypes = [
            ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint64
        ]
        self._become_unit, self._end_trial = self._library.hognose_become_unit, self._library.hognose_end_trial
        self._limits = limits
        # The last of them is there where no cgroup counts memory, and then somebody is asked for each process.
        self.asks_for_forks = limits[-1] > 0

    def gather(self):
        """Before anything is imported: what forks share is to be cheap to fork."""
        self._check(self._library.hognose_gather())

    def become_unit(self, control_fd, try_out):
        """Returns `True` in each unit, behind its walls, and `False` when the keeper is gone."""
        self._check(self._library.hognose_open(*self._limits))
        answer = self._become_unit()
        # In a unit from here on: the less is touched, the less is copied.
        if answer == IN_TRIAL:
            try_out(self._end_trial)
            os._exit(1)  # It does not return.
        return answer == IN_UNIT or bool(self._check(answer))

    @staticmethod
    def _check(answer):
        if answer < 0:
            # The library has said why.
            os._exit(1)
        return answer


class WallsAlone(Walls):
    """The same for a unit that nobody forks: each has a kernel, and an interpreter, of its own."""

    def gather(self):
        pass

    def become_unit(self, control_fd, try_out):
        self._library.hognose_stand_alone.argtypes = self._library.hognose_open.argtypes[:5]
        self._check(self._library.hognose_stand_alone(*self._limits[:5]))
        return True


def load(name):
    """Imports a module of ours. Whatever else is imported must not find ours by a name of its own."""
    sys.path.insert(0, FOLDER)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(FOLDER)


def main():
    form, kind, *limits, imports_public = sys.argv[1:]
    os.environ.pop("LD_BIND_NOW", None)  # It was meant for this process only.
    if form == "alone":
        os.dup2(0, CONTROL_FD)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
    walls = [{"zygote": Walls, "alone": WallsAlone}[form]([int(limit) for limit in limits])]
    walls[0].gather()
    libraries = load("libraries")
    libraries.warm(kind)
    # What is loaded from here on is what units write to. It comes to lie side by side.
    load("blocks").fill_holes()
    zygote = load("zygote")
    if walls[0].asks_for_forks:
        zygote.unit.let_no_signal_interrupt_forks()
    # Handed over, not kept: what a frame holds, a program can find.
    zygote.serve(walls.pop(), CONTROL_FD, frozenset(imports_public.split(",")))


main()
