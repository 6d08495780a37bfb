# Uses the syntax of Python 3.11: except*, notes, a starred index and starred annotations.
from typing import Generic, TypeVarTuple

Ts = TypeVarTuple("Ts")


class Row(Generic[*Ts]):
    def __init__(self, *cells: *Ts) -> None:
        self.cells = cells


try:
    error = ValueError("a")
    error.add_note("a note")
    raise ExceptionGroup("all", [error, TypeError("b"), ExceptionGroup("in", [KeyError("c")])])
except* ValueError as group:
    print([repr(e) for e in group.exceptions], group.exceptions[0].__notes__)
except* (TypeError, KeyError) as group:
    print(len(group.exceptions), group.split(KeyError)[0].exceptions[0].exceptions)

print(Row[int, str](1, "x").cells, {(1, 2): "pair"}[*[1, 2]])
# role: public
# python: 3.11
# expect: ending=exited:0  stdout="[\"ValueError('a')\"] ['a note']\n2 (KeyError('c'),)\n(1, 'x') pair\n"  stderr=""
