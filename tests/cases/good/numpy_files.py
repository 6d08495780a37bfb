# Keeps arrays in files: save, savez, text, raw bytes, memory maps; one comes back.
import numpy as np

a = np.arange(12).reshape(3, 4)
np.savez_compressed("z.npz", a=a, b=a * 0.5)
with np.load("z.npz") as kept:
    print(sorted(kept), kept["b"][2, 3])
np.savetxt("a.csv", a, fmt="%d", delimiter=",", header="w,x,y,z", comments="")
print(np.loadtxt("a.csv", delimiter=",", skiprows=1, dtype=int).sum(), np.genfromtxt("a.csv", delimiter=",", names=True)["y"])
a.tofile("raw")
print(np.fromfile("raw", dtype=a.dtype)[-1], np.frombuffer(a.tobytes(), dtype=a.dtype)[5])

big = np.memmap("big.dat", dtype="f4", mode="w+", shape=(1000, 1000))
big[:] = 2
big[3, 4] = 9
big.flush()
del big
again = np.memmap("big.dat", dtype="f4", mode="r+", shape=(1000, 1000))
again[0, 0] = 5
print(float(again.sum()), float(np.memmap("big.dat", dtype="f4", mode="c")[0]), type(again).__name__)
np.save("out.npy", a)
mapped = np.load("out.npy", mmap_mode="r")
print(mapped[1].tolist(), mapped.flags.writeable)
np.save("people.npy", np.array([("ann", 3), ("bob", 4)], dtype=[("name", "U5"), ("age", "i4")]))
people = np.load("people.npy")
print(people[people["age"] > 3]["name"], np.array(["2024-01-31"], "M8[D]") + np.timedelta64(1, "D"), np.unique([3, 1, 3], return_counts=True)[1])
# role: public
# needs: numpy
# return: out.npy
# file out.npy: ~"NUMPY.*'shape': \\(3, 4\\)"
# return: a.csv
# file a.csv: "w,x,y,z\n0,1,2,3\n4,5,6,7\n8,9,10,11\n"
# expect: ending=exited:0  stdout="['a', 'b'] 5.5\n66 [ 2.  6. 10.]\n11 5\n2000010.0 5.0 memmap\n[4, 5, 6, 7] False\n['bob'] ['2024-02-01'] [1 2]\n"  stderr=""
