# A public program spells a forbidden import in letters that are others until Python reads them.
import json

try:
    import ｏｓ
    print("ESCAPED: " + ｏｓ.name)
except ImportError:
    print("held")
# role: public
# expect: ending=forbidden_import  stdout=""
