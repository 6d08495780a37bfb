# Does not parse; an admin's program fails as under python, with a traceback.
print("ran")
print((1
# role: admin
# expect: ending=exited:1  stdout=""  stderr~"^  File \"your_script\\.py\", line 3\n[\\s\\S]*SyntaxError: "
