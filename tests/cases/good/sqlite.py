# A database in a file, and one in memory.
import sqlite3

for name in ("shop.db", ":memory:"):
    with sqlite3.connect(name) as base:
        base.execute("create table fruit (name text, price real)")
        base.executemany("insert into fruit values (?, ?)", [("fig", 1.5), ("pear", 0.5)])
        base.commit()
        print(base.execute("select name, price * 2 from fruit order by price").fetchall())
# needs: sqlite3
# expect: ending=exited:0  stdout="[('pear', 1.0), ('fig', 3.0)]\n[('pear', 1.0), ('fig', 3.0)]\n"
