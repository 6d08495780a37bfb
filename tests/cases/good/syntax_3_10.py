# Uses the syntax of Python 3.10 and older: match, parenthesized managers, walrus, positional-only, async.
class Kept(int):
    def __enter__(self):
        return int(self)

    def __exit__(self, *error):
        return False


def kind(value, /, *, deep=False):
    match value:
        case {"x": int(x), **rest} if rest:
            return f"map {x} {rest}"
        case [1, *_, (2 | 3) as last]:
            return f"list {last}"
        case complex(real=0.0) | None:
            return "empty"
        case str() as text if (n := len(text)) > 1:
            return f"text {n}"
        case _:
            return "other"


with (
    Kept(1) as one,
    Kept(2) as two,
):
    print(one, two)


@lambda function: function
async def steps():
    for number in range(3):
        yield number


async def gather():
    return [n async for n in steps() if n]


def drive(coroutine):
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value


print(*map(kind, [{"x": 1, "y": 2}, [1, 5, 3], 0j, None, "abc", "a"]), sep=", ")
print(f"{one + two=}", drive(gather()), {**{"a": 1}} | {"b": 2}, 1_000, 0x_f)
match = case = 3
print(match, case, (lambda *a, k=1, **b: (a, k, b))(1, *[2], k=3, z=4))
total: int = 0
total += 3 @ type("M", (), {"__rmatmul__": lambda self, other: other})()
print(total, *(yielded for yielded in (lambda: (yield from "ab"))()))
# role: public
# expect: ending=exited:0  stdout="1 2\nmap 1 {'y': 2}, list 3, empty, empty, text 3, other\none + two=3 [1, 2] {'a': 1, 'b': 2} 1000 15\n3 3 ((1, 2), 3, {'z': 4})\n3 a b\n"  stderr=""
