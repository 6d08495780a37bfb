# Uses temporary files and folders, a database and archives.
import sqlite3, tempfile, zipfile

with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(folder + "/a.zip", "w") as archive:
    archive.writestr("x", "y")
with tempfile.TemporaryFile() as file:
    file.write(b"x")
base = sqlite3.connect("base.db")
base.execute("create table t (x)")
base.execute("insert into t values (5)")
base.commit()
print(base.execute("select * from t").fetchall())
# expect: ending=exited:0  stdout="[(5,)]\n"  stderr=""
