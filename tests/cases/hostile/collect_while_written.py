# Changes a page of a file all the time, by a child that is still at it when the program ends: what comes back is what it
# was at one time, not a part of each.
import os, time

PAGES = [letter * 4096 for letter in (b"a", b"b")]
held = os.open("held", os.O_CREAT | os.O_RDWR)
os.pwrite(held, PAGES[0], 0)
if os.fork() == 0:
    os.close(1)
    while True:
        for page in PAGES:
            os.pwrite(held, page, 0)
time.sleep(0.02)

print("held")
# return: held
# file held: ~"^(a{4096}|b{4096})$"
# runs: 20
# expect: ending=exited:0  stdout="held\n"  within_ms=3000
