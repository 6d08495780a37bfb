# Draws charts with matplotlib and hands them back as PNG, SVG and PDF.
import matplotlib
import matplotlib.pyplot as plt
import numpy as np

print(matplotlib.get_backend().lower())
x = np.linspace(0, 6, 200)
figure, axes = plt.subplots(2, 2, figsize=(6, 5), layout="constrained")
axes[0, 0].plot(x, np.sin(x), label=r"$\sin(x)$")
axes[0, 0].set_title("a title with é")
axes[0, 0].legend()
axes[0, 1].bar(["a", "b"], [3, 5])
axes[1, 0].imshow(np.outer(x, x), cmap="viridis")
axes[1, 1].hist(np.random.default_rng(1).normal(size=500), bins=20)
for kind in ("png", "svg", "pdf"):
    figure.savefig("chart." + kind, dpi=80)
plt.close(figure)
print(plt.imread("chart.png").shape)
# return: chart.png
# return: chart.svg
# return: chart.pdf
# file chart.png: ~"^\\W?PNG\\r\\n"
# file chart.svg: ~"</svg>\\s*$"
# file chart.pdf: ~"^%PDF-"
# expect: ending=exited:0  stdout="agg\n(400, 480, 4)\n"  stderr=""
