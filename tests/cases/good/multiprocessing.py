# Shares work among processes, made by fork and from scratch.
import multiprocessing


def square(x):
    return x * x


if __name__ == "__main__":
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(method, pool.map(square, [1, 2, 3]))
# tiers: native gvisor
# expect: ending=exited:0  stdout="fork [1, 4, 9]\nspawn [1, 4, 9]\n"  stderr=""
