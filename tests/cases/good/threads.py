# Shares work among threads.
from concurrent.futures import ThreadPoolExecutor

with ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(abs, range(-100, 0))))
# expect: ending=exited:0  stdout="5050\n"  stderr=""  limit_hit=none
