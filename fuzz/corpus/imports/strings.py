x = f'{a!r:>{b}}{{import os}}' f"{'}'}" rf'\{a}' f'''{
a
}''' 'a\
import b'
"""
import c
"""; import d; f'{a:\n}'; f'{(lambda x: 1)}'; f'{a=}'; f''
if f'{a:{b}}': import e; match = f"{'a' + f'{b}'}"
