match (a, *b):
    case [1, *_] | {'a': -1+2j, **r} | C(x, y=z) if a:
        import a.b as c, \
            d
    case _: from e import(
        f as g, # (
        h,
    )
try:
    import i
except* E as e:
    from .j import *
finally:
    with (a as b, c as d,): import ｋ
@d
class C(A, metaclass=B):
	async def f(self, a, /, b: int = 1, *c, d, **e) -> (yield):
		async for x in y: import l
		async with a: from ... import m
if 1:
	import n
	if 2: import o; import p
