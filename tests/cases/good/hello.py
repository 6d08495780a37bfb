# Prints a line.
print("hello")
# expect: ending=exited:0  stdout="hello\n"  stderr=""  limit_hit=none  within_ms=1000
# expect on gvisor: ending=exited:0  stdout="hello\n"  stderr=""  limit_hit=none  within_ms=10000
