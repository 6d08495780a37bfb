# Imports what a public program may import of the standard library.
import array, ast, base64, bisect, calendar, collections.abc, copy, dataclasses, datetime, decimal, enum, fractions, functools
import hashlib, heapq, itertools, json, math, numbers, operator, pprint, random, re, secrets, statistics, string, sys, textwrap
import time, typing, unicodedata, uuid

print(datetime.datetime.strptime("2024-02-03", "%Y-%m-%d").strftime("%A %j"), decimal.Decimal(1) / 7)
print(hashlib.sha256(b"x").hexdigest()[:8], statistics.mean([1, 2, 4]), unicodedata.name("ß"), uuid.UUID(int=5).int)
# role: public
# expect: ending=exited:0  stdout="Saturday 034 0.1428571428571428571428571429\n2d711642 2.3333333333333335 LATIN SMALL LETTER SHARP S 5\n"  stderr=""
