# Has a coding line, which has no effect: the text is text already.
# -*- coding: rot13 -*-
print("é")
# role: public
# expect: ending=exited:0  stdout="é\n"  stderr=""
