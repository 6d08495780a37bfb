# Imports what a public program may not.
import os
print("ran")
# role: public
# expect: ending=forbidden_import  stdout=""
