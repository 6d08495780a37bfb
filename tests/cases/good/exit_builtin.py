# Ends by exit(), which scripts use without importing anything.
print("before")
exit()
print("after")
# role: public
# expect: ending=exited:0  stdout="before\n"
