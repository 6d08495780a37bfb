# Solves, decomposes and fits with numpy, in sizes at which the library would like threads.
import numpy as np

rng = np.random.default_rng(5)
a = rng.normal(size=(200, 200))
s = a @ a.T + 200 * np.eye(200)
q, r = np.linalg.qr(a)
u, d, vt = np.linalg.svd(a)
w, v = np.linalg.eigh(s)
chol = np.linalg.cholesky(s)
checks = {
    "qr": np.allclose(q @ r, a),
    "svd": np.allclose(u * d @ vt, a),
    "eigh": np.allclose(s @ v, v * w),
    "eig": np.allclose(np.sort(np.linalg.eigvals(s).real), w),
    "cholesky": np.allclose(chol @ chol.T, s),
    "inv": np.allclose(np.linalg.inv(s) @ s, np.eye(200)),
    "lstsq": np.allclose(np.linalg.lstsq(a, a @ np.arange(200.0), rcond=None)[0], np.arange(200)),
    "pinv": np.allclose(a[:, :50] @ np.linalg.pinv(a[:, :50]) @ a[:, :50], a[:, :50]),
    "float32": np.allclose(a.astype("f4") @ np.eye(200, dtype="f4"), a, atol=1e-5),
    "complex": np.allclose(np.linalg.solve(s + 1j * np.eye(200), s + 1j * np.eye(200)), np.eye(200)),
    "einsum": np.allclose(np.einsum("ij,kj->ik", a, a), a @ a.T),
}
print([name for name, held in checks.items() if not held], len(checks))
print(round(np.linalg.det([[1, 2], [3, 4]]), 9), np.linalg.matrix_rank(np.ones((3, 3))), np.linalg.norm([3, 4]), np.kron([1, 2], [1, 1]), np.linalg.matrix_power([[1, 1], [1, 0]], 10).tolist(), np.linalg.cond(np.eye(2)))
try:
    np.linalg.inv(np.zeros((2, 2)))
except np.linalg.LinAlgError as error:
    print(error)
# role: public
# needs: numpy
# expect: ending=exited:0  stdout="[] 11\n-2.0 1 5.0 [1 1 2 2] [[89, 55], [55, 34]] 1.0\nSingular matrix\n"  stderr=""
