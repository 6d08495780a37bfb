# Solves, minimizes, integrates, interpolates, transforms and tests with scipy.
import numpy as np
from scipy import fft, integrate, interpolate, linalg, ndimage, optimize, signal, sparse, spatial, special, stats
from scipy.sparse.linalg import spsolve

a = np.array([[4.0, 1.0], [2.0, 3.0]])
p, l, u = linalg.lu(a)
print(linalg.solve(a, [1, 2]).round(6).tolist(), np.allclose(p @ l @ u, a), np.allclose(linalg.expm(np.zeros((2, 2))), np.eye(2)), sorted(linalg.eigvals(a).real.round(6).tolist()))
print(optimize.minimize(lambda x: (x[0] - 1) ** 2 + (x[1] + 2) ** 2, [0, 0]).x.round(4).tolist(), round(optimize.brentq(lambda x: x**2 - 2, 0, 2), 6), optimize.linprog([-1, -2], A_ub=[[1, 1]], b_ub=[4]).x.tolist())
fitted, _ = optimize.curve_fit(lambda x, m, b: m * x + b, [0, 1, 2], [1, 3, 5])
print(fitted.round(6).tolist(), round(integrate.quad(np.sin, 0, np.pi)[0], 6), round(float(integrate.solve_ivp(lambda t, y: -y, (0, 1), [1], rtol=1e-8).y[0, -1]), 5))
print(round(float(stats.ttest_ind([1, 2, 3, 4], [2, 3, 4, 5]).pvalue), 4), round(float(stats.norm.ppf(0.975)), 4), round(float(stats.linregress([1, 2, 3], [2, 4, 6]).slope), 6), stats.norm.rvs(size=3, random_state=1).shape)
print(float(interpolate.CubicSpline([0, 1, 2], [0, 1, 4])(1.5)), special.gamma(5), spsolve(sparse.csc_matrix(a), np.array([1.0, 2.0])).round(6).tolist(), float(spatial.KDTree([[0, 0], [3, 4]]).query([3, 3])[0]))
print(signal.find_peaks([0, 1, 0, 2, 0])[0].tolist(), ndimage.label([[1, 0, 1]])[1], np.allclose(fft.ifft(fft.fft([1, 2, 3], workers=2)), [1, 2, 3]), len(spatial.ConvexHull([[0, 0], [1, 0], [0, 1], [0.2, 0.2]]).vertices))
# limits: admin_code_characters_max=4000
# expect: ending=exited:0  stdout="[0.1, 0.6] True True [2.0, 5.0]\n[1.0, -2.0] 1.414214 [0.0, 4.0]\n[2.0, 1.0] 2.0 0.36788\n0.3153 1.96 2.0 (3,)\n2.25 24.0 [0.1, 0.6] 1.0\n[1, 3] 2 True 3\n"  stderr=""
