# Has nothing to do; comments are no program.

# expect: ending=exited:0  stdout=""  stderr=""
