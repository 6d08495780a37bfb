# Uses the syntax of Python 3.14: template strings, exceptions without brackets, annotations of later names.
name = "x"
template = t"hello {name!r:>4} {1 + 1}"
print(template.strings, [(i.value, i.expression, i.conversion, i.format_spec) for i in template.interpolations])
print((t"a" t"{name}").values, rt"\n".strings)

try:
    int("a")
except TypeError, ValueError:
    print("no number")


class Node:
    next: Later


class Later:
    pass


print(Node.__annotations__["next"].__name__)
# role: public
# python: 3.14
# expect: ending=exited:0  stdout="('hello ', ' ', '') [('x', 'name', 'r', '>4'), (2, '1 + 1', None, '')]\n('x',) ('\\\\n',)\nno number\nLater\n"  stderr=""
