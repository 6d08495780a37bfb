# Draws a table: pandas, scipy and matplotlib together.
import matplotlib.pyplot as plt
import pandas as pd
from scipy import stats

table = pd.DataFrame({"x": range(10), "y": [2 * n + n % 2 for n in range(10)]})
line = stats.linregress(table["x"], table["y"])
axes = table.plot.scatter("x", "y", title=f"slope {line.slope:.2f}")
axes.plot(table["x"], line.intercept + line.slope * table["x"])
axes.figure.savefig("out.png")
print(axes.get_title(), len(axes.lines))
# return: out.png
# file out.png: ~"^\\W?PNG\\r\\n"
# expect: ending=exited:0  stdout="slope 2.03 1\n"  stderr=""
