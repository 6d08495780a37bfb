# Uses the syntax of Python 3.13: type parameters with defaults.
type Cell[T = int] = list[T]


class Grid[Value = float, **How = [int, str]]:
    pass


class Rows[*Kinds = *tuple[int, str]]:
    pass


def keep[T = str](item: T) -> T:
    return item


print([p.__default__ for p in (*Cell.__type_params__, *keep.__type_params__)], [p.__default__ for p in Grid.__type_params__], Rows.__type_params__[0].__default__, keep(4))
# role: public
# python: 3.13
# expect: ending=exited:0  stdout="[<class 'int'>, <class 'str'>] [<class 'float'>, [<class 'int'>, <class 'str'>]] *tuple[int, str] 4\n"  stderr=""
