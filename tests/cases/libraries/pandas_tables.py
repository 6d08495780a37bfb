# Reads, groups, joins, pivots, resamples and writes tables with pandas.
import pandas as pd

sales = pd.read_csv("sales.csv", parse_dates=["day"])
print(sales.groupby("shop")["sold"].agg(["sum", "mean", "max"]).to_dict("index"))
shops = pd.DataFrame({"shop": ["north", "south"], "town": ["Kiel", "Ulm"]})
joined = sales.merge(shops, on="shop", how="left").sort_values(["day", "shop"])
print(joined.pivot_table(index="day", columns="town", values="sold", aggfunc="sum", fill_value=0).values.tolist())
print(sales.set_index("day").resample("2D")["sold"].sum().tolist(), sales["sold"].rolling(2).mean().dropna().tolist())
print(sales["shop"].str.upper().value_counts().sort_index().to_dict(), sales.query("sold > 3").shape, sales.isna().sum().sum())
print(pd.concat([sales, sales]).drop_duplicates().shape, pd.cut(sales["sold"], 2).cat.codes.tolist(), pd.Series([3, 1, 2]).rank().tolist())
print(round(float(sales["sold"].corr(sales["price"])), 6), pd.Timestamp("2024-03-31", tz="Europe/Berlin").utcoffset(), pd.date_range("2024-01-31", periods=2, freq="ME")[1].date())
joined.to_csv("out.csv", index=False)
joined.to_json("out.json", orient="records", date_format="iso")
print(pd.read_json("out.json").shape, pd.read_pickle("out.pkl").equals(sales) if sales.to_pickle("out.pkl") is None else None)
# attach sales.csv: "day,shop,sold,price\n2024-01-01,north,3,1.5\n2024-01-01,south,4,2.0\n2024-01-02,north,5,2.5\n2024-01-03,south,1,0.5\n"
# return: out.csv
# file out.csv: "day,shop,sold,price,town\n2024-01-01,north,3,1.5,Kiel\n2024-01-01,south,4,2.0,Ulm\n2024-01-02,north,5,2.5,Kiel\n2024-01-03,south,1,0.5,Ulm\n"
# expect: ending=exited:0  stdout="{'north': {'sum': 8, 'mean': 4.0, 'max': 5}, 'south': {'sum': 5, 'mean': 2.5, 'max': 4}}\n[[3, 4], [5, 0], [0, 1]]\n[12, 1] [3.5, 4.5, 3.0]\n{'NORTH': 2, 'SOUTH': 2} (2, 4) 0\n(4, 4) [0, 1, 1, 0] [3.0, 1.0, 2.0]\n1.0 1:00:00 2024-02-29\n(4, 5) True\n"  stderr=""
