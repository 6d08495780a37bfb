# Uses classes with generated methods, enumerations, and the tools for functions.
import dataclasses, enum, functools, operator, typing


@functools.cache
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


@functools.singledispatch
def show(value):
    return "any"


@show.register
def _(value: int):
    return "number"


@functools.total_ordering
@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    name: str
    price: float = dataclasses.field(default=1.0, compare=False)

    def __lt__(self, other):
        return self.name < other.name


class Color(enum.Flag):
    RED = enum.auto()
    BLUE = enum.auto()


print(fib(90), fib.cache_info().misses, show("x"), show(1), functools.reduce(operator.or_, [1, 4]), functools.partial(int, base=2)("101"))
print(max(Item("a"), Item("b", 2)), dataclasses.asdict(Item("c")), Color.RED | Color.BLUE in [Color(3)], Color["BLUE"].value, typing.get_type_hints(Item)["price"])
# role: public
# expect: ending=exited:0  stdout="2880067194370816120 91 any number 5 5\nItem(name='b', price=2) {'name': 'c', 'price': 1.0} True 2 <class 'float'>\n"  stderr=""
