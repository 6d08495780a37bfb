# Catches the refusal, as it would catch a missing module.
try:
    __import__("numexpr" + "_or_so")
except ImportError as error:
    print(type(error).__name__, error)
# role: public
# expect: ending=exited:0  stdout="ForbiddenImportError numexpr_or_so\n"  stderr=""
