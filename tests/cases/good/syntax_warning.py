# Draws a warning, which names the program and no folder.
print(1 is 1)
# role: public
# expect: ending=exited:0  stdout="True\n"  stderr~"^your_script\\.py:\\d: SyntaxWarning: "
