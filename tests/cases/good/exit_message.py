# Ends with a message, which goes to standard error with code 1.
import sys

sys.exit("no luck")
# role: public
# expect: ending=exited:1  stdout=""  stderr="no luck\n"
