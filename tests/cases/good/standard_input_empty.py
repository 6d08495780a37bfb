# Meets the end of its standard input at once.
try:
    input()
except EOFError:
    print("end")
# role: public
# expect: ending=exited:0  stdout="end\n"  stderr=""
