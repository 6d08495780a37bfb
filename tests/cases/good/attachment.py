# Reads a file that came with the request.
print(open("data.csv").read().upper())
# role: public
# attach data.csv: "a,b"
# expect: ending=exited:0  stdout="A,B\n"  stderr=""
