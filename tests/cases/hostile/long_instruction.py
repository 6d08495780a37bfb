# Computes for ever inside one call of C, where Python looks at no signal.
9 ** 9 ** 9
# limits: wall_ms_max=1000
# expect: ending=timed_out  within_ms=3000
