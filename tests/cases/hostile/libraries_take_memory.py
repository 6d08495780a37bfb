# Has a library make a picture, an array and a number that are larger than the run's memory.
import numpy as np
from PIL import Image

ended = []
for name, way in {
    "array": lambda: np.ones(1 << 40),
    "picture": lambda: Image.new("RGB", (1 << 20, 1 << 20)),
    "lazy array": lambda: np.zeros(1 << 36) + 1,
    "text": lambda: "x" * (1 << 40),
}.items():
    try:
        way()
        ended.append("ESCAPED: " + name)
    except (MemoryError, ValueError):
        pass
print(ended or "held", flush=True)
kept = [np.ones(16 << 20) for _ in range(20)]
print("ESCAPED: all kept")
# role: public
# needs: PIL
# expect: ending=out_of_memory|exited:1  stdout!~"ESCAPED"
