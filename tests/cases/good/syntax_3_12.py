# Uses the syntax of Python 3.12: type parameters, type aliases, strings in strings of a format.
from dataclasses import dataclass

type Pair[T] = tuple[T, T]
type Tree = int | list[Tree]


@dataclass
class Box[T: (int, str), *Ts, **P]:
    item: T

    def map[U](self, function: "Callable[[T], U]") -> U:
        return function(self.item)


def first[T](items: list[T]) -> T:
    return items[0]


names = ["a", "b"]
print(Pair.__type_params__, Tree.__value__, Box(3).map(str), first([7]))
print(f"{", ".join(f"{name!r:>{3 + 1}}" for name in names)} {'\n'.join(names)!r} {
    len(names)  # A comment in a format.
} {f"{f"{f"{1}"}"}"}")
type = "a name still"
print(type, [[n for n in range(k)] for k in range(3)])
# role: public
# python: 3.12
# expect: ending=exited:0  stdout="(T,) int | list[Tree] 3 7\n 'a',  'b' 'a\\nb' 2 1\na name still [[], [0], [0, 1]]\n"  stderr=""
