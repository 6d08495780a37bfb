# Imports, from a string, what a public program may not.
print("before")
exec("im" + "port subprocess")
# role: public
# expect: ending=exited:1|forbidden_import  stderr~"ForbiddenImportError: subprocess\n$"
