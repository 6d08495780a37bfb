# Transforms, random numbers, polynomials and masked arrays of numpy.
import numpy as np
from numpy.polynomial import Chebyshev, Polynomial

t = np.arange(4096) / 4096
wave = np.sin(2 * np.pi * 50 * t) + 0.5 * np.cos(2 * np.pi * 120 * t)
power = abs(np.fft.rfft(wave))
print(np.argsort(power)[-2:], np.allclose(np.fft.irfft(np.fft.rfft(wave)), wave), np.allclose(np.fft.ifft2(np.fft.fft2(np.eye(64))), np.eye(64)), np.fft.fftfreq(4), np.fft.fftshift([0, 1, 2, 3]))
for bits in (np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64):
    one, two = (np.random.Generator(bits(3)).normal(size=9) for _ in "ab")
    assert (one == two).all()
rng = np.random.default_rng(1)
draws = rng.normal(10, 2, 100_000)
print(abs(draws.mean() - 10) < 0.05, abs(draws.std() - 2) < 0.05, sorted(rng.permutation(5).tolist()), rng.choice(["a", "b"], p=[0, 1]), rng.multinomial(9, [1, 0]), rng.poisson(3, 5).shape)
old = np.random.RandomState(42)
print(old.randint(0, 100, 5), len({np.random.default_rng().integers(1 << 60) for _ in range(4)}))
p = Polynomial([6, -5, 1])
print(p.roots().round(9), p.deriv()(0), Polynomial.fit([0, 1, 2], [1, 3, 7], 2).convert().coef.round(6) + 0.0, np.polyfit([0, 1], [1, 3], 1).round(6), Chebyshev([0, 0, 1])(0.5), np.poly1d([1, -1]) * np.poly1d([1, 1]))
m = np.ma.masked_invalid([1.0, np.nan, 3.0])
print(m.mean(), m.filled(0), np.ma.masked_where([1, 0, 0], [1, 2, 3]).compressed(), m.mask)
with np.errstate(divide="ignore", invalid="raise"):
    print(np.array([1.0]) / 0)
# role: public
# needs: numpy
# expect: ending=exited:0  stdout="[120  50] True True [ 0.    0.25 -0.5  -0.25] [2 3 0 1]\nTrue True [0, 1, 2, 3, 4] b [9 0] (5,)\n[51 92 14 71 60] 4\n[2. 3.] -5.0 [1. 1. 1.] [2. 1.] -0.5    2\n1 x - 1\n2.0 [1. 0. 3.] [2 3] [False  True False]\n[inf]\n"  stderr=""
