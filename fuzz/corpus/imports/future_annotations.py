# Says which Python it is written in, which looks like an import and is none.
from __future__ import annotations


def double(number: NotThere) -> NotThere:
    return 2 * number


print(double(4))
# role: public
# expect: ending=exited:0  stdout="8\n"
