# Uses more processor time than one process may have, while there is still time by the clock.
while True:
    pass
# limits: cpu_seconds_max=1
# limits: wall_ms_max=10000
# expect: ending=signal:9  limit_hit=cpu  within_ms=9000
# expect on gvisor: ending=timed_out  limit_hit=wall
