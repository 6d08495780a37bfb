"""Where the interpreter's allocator puts what units make, so that the kernel has few pages to copy for each."""

import operator
from collections import Counter
from itertools import repeat

# How CPython's allocator divides memory (`Objects/obmalloc.c`, 3.10 to 3.14): small objects lie in pools, each
# for blocks of one size.
POOL_BYTES = 1 << 14
POOL_HEAD_BYTES = 48
BLOCK_STEP_BYTES = 16
BLOCK_BYTES_MAX = 512
# What a `bytes` needs beside its content.
BYTES_HEAD_BYTES = 33
# Lists, dictionaries and tuples of each length up to one that are taken at the end, and a slice: the interpreter
# keeps those that are let go for the next that is wanted, and what was at work here lay in the holes.
KEPT = 10
KEPT_TUPLE_MAX = 8
# How often as many objects are made as two pools hold. Another allocator, whose pools are never seen, ends there.
ROUNDS_MAX = 100
# A list of fewer lies in a block itself, and grows from one to the next.
ROUND_MIN = 2 * BLOCK_BYTES_MAX // 8

_taken = []


def fill_holes():
    """Takes every free block of pools that are in use, for good: what is made next lies in pools of its own.

    In a pool that others use, a new object costs each unit up to three pages: the pool's head, the block, and
    the block that is free next. In a pool of its own all of that, and what is made after it, is on one.
    """
    for size in range(BLOCK_STEP_BYTES, BLOCK_BYTES_MAX + 1, BLOCK_STEP_BYTES):
        in_pool = (POOL_BYTES - POOL_HEAD_BYTES) // size
        for _ in repeat(None, ROUNDS_MAX):
            made = list(_objects(size, max(2 * in_pool, ROUND_MIN)))
            _taken.append(made)
            first = _first_in_whole_pool(made, in_pool)
            if first is not None:
                _give_back(made, first)
                break
    kept = [[[], {str(): None}] for _ in repeat(None, KEPT)]
    for length in range(1, KEPT_TUPLE_MAX + 1):
        kept += map(tuple, repeat([None] * length, KEPT))
    kept.append(slice(None))
    _taken.append(kept)


def _first_in_whole_pool(made, in_pool):
    """Where in the list those begin that are all of a pool: one is begun only when no other has room.

    By itself, so that nothing that it needs is there while objects are made, to leave a hole afterwards.
    """
    pools = [id(block) // POOL_BYTES for block in made]
    return min((pools.index(pool) for pool, count in Counter(pools).items() if count == in_pool), default=None)


def _give_back(made, first):
    """From the last block to the first, so that they will be used from the first to the last."""
    rest = sorted(made[first:], key=id)
    del made[first:]
    while rest:
        del rest[-1]


def _objects(size, count):
    """New objects of that size, none of which the interpreter keeps at hand."""
    if size == 16:
        return map(object.__new__, repeat(object, count))
    if size == 32:
        return map(operator.neg, repeat(1j, count))
    return map(bytes, repeat(size - BYTES_HEAD_BYTES, count))
