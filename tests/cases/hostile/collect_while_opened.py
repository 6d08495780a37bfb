# Opens, changes and closes a file all the time and renames another, by a child that is still at it when the program ends: what
# comes back is what it was at one time.
import os, time

PAGES = [letter * 4096 for letter in (b"a", b"b")]
with open("held", "wb") as file:
    file.write(PAGES[0])
open("one", "w").write("mine")
if os.fork() == 0:
    os.close(1)
    while True:
        for page in PAGES:
            file = os.open("held", os.O_WRONLY)
            os.pwrite(file, page, 0)
            os.close(file)
            os.rename("one", "other")
            os.rename("other", "one")
if os.fork() == 0:
    os.close(1)
    time.sleep(60)  # Only lives on.
time.sleep(0.02)

print("held")
# return: held
# file held: ~"^(a{4096}|b{4096})$"
# runs: 20
# expect: ending=exited:0  stdout="held\n"  within_ms=3000
