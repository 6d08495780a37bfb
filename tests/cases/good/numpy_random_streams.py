# Draws from numpy's global generator, which does not seed itself again after a fork.
import numpy

print(numpy.random.rand())
# role: public
# needs: numpy
# runs: 3 distinct
# expect: ending=exited:0  stdout~"^\\d"
