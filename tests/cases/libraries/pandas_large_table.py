# Groups and joins half a million rows with pandas, in the memory that a run has.
import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
table = pd.DataFrame({"key": rng.integers(0, 1000, 500_000), "value": np.arange(500_000, dtype=float)})
table["word"] = pd.Categorical.from_codes(table["key"] % 3, ["a", "b", "c"])
sums = table.groupby("key")["value"].sum()
print(len(sums), float(sums.sum()), table.groupby("word", observed=True)["value"].count().sum())
print(table.merge(sums.rename("total"), left_on="key", right_index=True).shape, table.sort_values("value", ascending=False)["value"].iloc[0])
# expect: ending=exited:0  stdout="1000 124999750000.0 500000\n(500000, 4) 499999.0\n"  stderr=""  limit_hit=none
