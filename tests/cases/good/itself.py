# Sees itself as a script: name, arguments, file.
import os, sys

print(__name__, sys.argv, os.path.basename(__file__), __file__ == os.path.abspath("your_script.py"), open(__file__).readline().strip())
# expect: ending=exited:0  stdout="__main__ ['your_script.py'] your_script.py True # Sees itself as a script: name, arguments, file.\n"  stderr=""
