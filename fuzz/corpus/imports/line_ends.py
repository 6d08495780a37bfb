import a
if 1:
  import b  import c
from \
d \
 import e;import f\
.g
