# Ends with an exit code of its own.
import sys

print("before")
sys.exit(3)
# role: public
# expect: ending=exited:3  stdout="before\n"  stderr=""  limit_hit=none
