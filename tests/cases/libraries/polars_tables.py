# Groups, filters lazily, and keeps tables with polars, whose threads are many where nobody says otherwise.
import polars as pl

table = pl.DataFrame({"shop": ["north", "south", "north"], "sold": [1, 2, 3]})
print(table.group_by("shop").agg(pl.col("sold").sum()).sort("shop").rows())
print(table.lazy().filter(pl.col("sold") > 1).with_columns(twice=pl.col("sold") * 2).collect().rows())
table.write_csv("out.csv")
table.write_parquet("out.parquet")
print(pl.read_csv("out.csv").equals(table), pl.scan_parquet("out.parquet").select(pl.len()).collect().item())
# return: out.csv
# file out.csv: "shop,sold\nnorth,1\nsouth,2\nnorth,3\n"
# expect: ending=exited:0  stdout="[('north', 4), ('south', 2)]\n[('south', 2, 4), ('north', 3, 6)]\nTrue 3\n"  stderr=""
