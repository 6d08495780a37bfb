# Parses but does not compile, which is the program's own failure.
return 1
# role: public
# expect: ending=exited:1  stderr~"SyntaxError: 'return' outside function\n$"
