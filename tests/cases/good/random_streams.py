# Draws random numbers; no two runs may draw the same.
import random, uuid

print(random.random(), uuid.uuid4())
# role: public
# runs: 3 distinct
# expect: ending=exited:0  stdout~"^0\\.\\d+.* [0-9a-f-]{36}\n$"
