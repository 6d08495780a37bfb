# Runs the C stack over. It must end by its own signal, quickly.
import sys

sys.setrecursionlimit(10**9)
nest = []
for _ in range(10**6):
    nest = [nest]
repr(nest)
# expect: ending=signal:11|exited:1  within_ms=5000
