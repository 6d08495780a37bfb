# Uses containers, iterators, heaps and arrays.
import array, bisect, copy, heapq, itertools, operator
from collections import ChainMap, Counter, OrderedDict, abc, defaultdict, deque, namedtuple

print(Counter("abracadabra").most_common(2), deque(range(9), 3), dict(ChainMap({"a": 1}, {"a": 2, "b": 3})), namedtuple("P", "x y")(1, 2).y)
groups = defaultdict(list)
for word in ["ab", "c", "de"]:
    groups[len(word)].append(word)
order = OrderedDict(a=1, b=2)
order.move_to_end("a")
print(dict(groups), list(order), issubclass(dict, abc.MutableMapping))
print([*itertools.accumulate([1, 2, 3], operator.mul)], [*itertools.pairwise("abc")], [(k, len([*g])) for k, g in itertools.groupby("aab")], [*itertools.islice(itertools.cycle("xy"), 3)])
heap = [5, 1, 4]
heapq.heapify(heap)
print(heapq.heappushpop(heap, 0), heapq.nlargest(2, heap), [*heapq.merge([1, 4], [2])], bisect.bisect([1, 3, 5], 3), array.array("d", [1, 2]).tobytes()[-1:], copy.copy([1]))
# role: public
# expect: ending=exited:0  stdout="[('a', 5), ('b', 2)] deque([6, 7, 8], maxlen=3) {'a': 1, 'b': 3} 2\n{2: ['ab', 'de'], 1: ['c']} ['b', 'a'] True\n[1, 2, 6] [('a', 'b'), ('b', 'c')] [('a', 2), ('b', 1)] ['x', 'y', 'x']\n0 [5, 4] [1, 2, 4] 2 b'@' [1]\n"  stderr=""
