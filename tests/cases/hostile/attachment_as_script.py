# An attachment has the name of the program; the program wins.
print("held")
# attach your_script.py: "print('ESCAPED')"
# expect: ending=exited:0  stdout="held\n"
