# Prints a mebibyte, all of which must come.
print("x" * (1048576 - 1))
# role: public
# expect: ending=exited:0  stdout_bytes=1048576
