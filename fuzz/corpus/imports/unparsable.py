# Does not parse. It is told before anything runs.
print("ran")
print((1
# role: public
# expect: ending=unparsable  stdout=""
