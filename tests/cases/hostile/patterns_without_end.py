# A public program computes for ever in one call of a library: a pattern, a power, a picture, a sum.
import re

re.fullmatch(r"(a|aa|a?)+b", "a" * 60)
print("ESCAPED: it ended")
# role: public
# limits: wall_ms_max=1000
# expect: ending=timed_out  stdout=""  within_ms=3000
