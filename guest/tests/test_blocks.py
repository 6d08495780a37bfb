"""What is made once the holes are filled lies side by side: CPython is asked where it put it."""

import os
import subprocess
import sys
import unittest

GUEST = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# A heap with holes, and then how many pages three new objects of each size came to lie on, with their pools' heads.
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import blocks
sizes = range(blocks.BLOCK_STEP_BYTES, blocks.BLOCK_BYTES_MAX + 1, blocks.BLOCK_STEP_BYTES)
kept = [list(blocks._objects(size, 3000))[::7] for size in sizes]
if sys.argv[2] == "filled":
    blocks.fill_holes()
made = [list(blocks._objects(size, 3)) for size in sizes]
def pages(objects):
    places = {id(thing) for thing in objects} | {id(thing) // blocks.POOL_BYTES * blocks.POOL_BYTES for thing in objects}
    return len({place // 4096 for place in places})
print(sum(map(pages, made)), len(sizes))
"""


class Blocks(unittest.TestCase):
    def pages(self, state):
        command = [sys.executable, "-I", "-B", "-c", PROGRAM, GUEST, state]
        return map(int, subprocess.check_output(command, text=True).split())

    def test_new_objects_of_a_size_and_their_pools_head_are_on_one_page(self):
        pages, sizes = self.pages("filled")
        # But for a few, of which the test itself let go one meanwhile.
        self.assertLess(pages, sizes * 1.5)

    def test_with_holes_they_are_on_more(self):
        pages, sizes = self.pages("with holes")
        self.assertGreater(pages, sizes * 1.75)


if __name__ == "__main__":
    unittest.main()
