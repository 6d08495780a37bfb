# Writes what a terminal, a log or a page would act on; it comes as text, and line ends are told from each other.
import os

os.write(1, b"\x1b]0;title\x07\x1b[2J\r\noverwritten\rby\n</script><script>alert(1)</script>\xe2\x80\xae\xf0\x9f\x98\xf0\xed\xa0\x80end")
# expect: ending=exited:0  stdout="\u001b]0;title\u0007\u001b[2J\noverwritten\nby\n</script><script>alert(1)</script>\u202e\ufffd\ufffd\ufffd\ufffd\ufffdend"
