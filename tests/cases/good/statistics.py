# Draws and describes numbers: statistics and random.
import random, statistics

data = [2, 4, 4, 4, 5, 5, 7, 9]
print(statistics.pstdev(data), statistics.median_grouped(data), statistics.quantiles(data, n=4), statistics.multimode(data))
print(statistics.linear_regression([1, 2, 3], [2, 4, 6]).slope, round(statistics.NormalDist(0, 1).cdf(1.96), 4), round(statistics.correlation([1, 2, 3], [1, 3, 2]), 3))
random.seed(7)
same = random.sample(range(100), 5), random.gauss(0, 1)
random.seed(7)
print(same == (random.sample(range(100), 5), random.gauss(0, 1)), random.choices("ab", [0, 1], k=3), len({random.SystemRandom().random() for _ in range(9)}))
# role: public
# expect: ending=exited:0  stdout="2.0 4.5 [4.0, 4.5, 6.5] [4]\n2.0 0.975 0.5\nTrue ['b', 'b', 'b'] 9\n"  stderr=""
