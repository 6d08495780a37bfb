type X[T: int, *Ts, **P] = T
def f[T = int](x: T) -> T: import a
class C[T]: import b
x = f'{f'{f'{a}'}'}{"\n".join(b)}{
    c # import c
}'
