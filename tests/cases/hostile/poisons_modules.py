# Changes modules and settings of the interpreter, and looks whether an earlier run did.
import builtins, json, math, os, sys

found = [hasattr(math, "poison"), hasattr(json, "poison"), hasattr(builtins, "poison"), "POISON" in os.environ, sys.getrecursionlimit() != 1000]
math.poison = json.poison = builtins.poison = True
os.environ["POISON"] = "x"
sys.setrecursionlimit(5000)
json.loads = None
print("ESCAPED" if any(found) else "held")
# runs: 3
# expect: ending=exited:0  stdout="held\n"
