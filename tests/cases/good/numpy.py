# Computes with numpy: linear algebra, transforms, random numbers.
import numpy as np

print(np.arange(10).sum(), np.linalg.solve(np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([9.0, 8.0])).round(9).tolist())
print(abs(np.fft.fft([1, 0, -1, 0])).round(6).tolist(), float((np.ones((300, 300)) @ np.ones((300, 300))).sum()))
np.save("a.npy", np.arange(3))
print(np.load("a.npy"), np.random.default_rng(1).integers(0, 100, 3).shape)
# role: public
# needs: numpy
# expect: ending=exited:0  stdout="45 [2.0, 3.0]\n[0.0, 2.0, 0.0, 2.0] 27000000.0\n[0 1 2] (3,)\n"  stderr=""
