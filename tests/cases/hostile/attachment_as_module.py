# A public program brings files with the names of modules; none of them may stand in for one.
import json
import random

print("ESCAPED" if hasattr(json, "fake") or hasattr(random, "fake") else "held")
# role: public
# attach json.py: "fake = True"
# attach random.py: "fake = True"
# expect: ending=exited:0  stdout="held\n"
