"""What CPython itself sees a program import.

A question: the length of a program (4 bytes, little-endian), the program in UTF-8. An answer: a length in the same
form and as many bytes, the top-level names with line breaks between; or the length 0xffffffff: it does not parse.
The first answer, before any question, is the version: `3.11`.
"""

import ast
import struct
import sys
import warnings

IMPORT, IMPORT_FROM, NODE = ast.Import, ast.ImportFrom, ast.AST


def imports(tree):
    names = set()
    todo = [tree]
    while todo:
        node = todo.pop()
        kind = type(node)
        if kind is IMPORT:
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif kind is IMPORT_FROM:
            if node.module:
                names.add(node.module.partition(".")[0])
        else:
            # Every field, not only those that hold statements today.
            for value in node.__dict__.values():
                if isinstance(value, NODE):
                    todo.append(value)
                elif type(value) is list:
                    todo.extend(item for item in value if isinstance(item, NODE))
    return names


def main():
    warnings.simplefilter("ignore")
    source, answers = sys.stdin.buffer, sys.stdout.buffer

    def answer(text):
        answers.write(struct.pack("<I", len(text)) + text)
        answers.flush()

    answer(b"%d.%d" % sys.version_info[:2])
    while head := source.read(4):
        program = source.read(*struct.unpack("<I", head)).decode()
        try:
            # As a unit compiles it: from `str`, so that a coding line has no effect.
            tree = compile(program, "your_script.py", "exec", ast.PyCF_ONLY_AST, True)
        except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError):
            answers.write(b"\xff\xff\xff\xff")
            answers.flush()
        else:
            answer("\n".join(sorted(imports(tree))).encode())


main()
