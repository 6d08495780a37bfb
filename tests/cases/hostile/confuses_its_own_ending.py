# Ends by an exception that claims to be a group, and to be an exit: it must be told as what it is, with what was printed.
print("printed")


class Confusing(Exception):
    exceptions = ["a"]

    @property
    def __class__(self):
        return SystemExit

    @property
    def __cause__(self):
        raise KeyboardInterrupt


raise Confusing("x")
# role: public
# expect: ending=exited:1  stdout="printed\n"  stderr~"Confusing: x\\n$"  limit_hit=none
