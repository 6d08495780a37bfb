# Fails, and shows its own lines and nothing of the machinery.
def half(x):
    return 1 / x


half(0)
# role: public
# expect: ending=exited:1  stdout=""  stderr~"^Traceback \\(most recent call last\\):\n  File \"your_script\\.py\", line 6, in <module>\n    half\\(0\\)\n[\\s\\S]*in half\n[\\s\\S]*ZeroDivisionError: division by zero\n$"  stderr!~"hognose|<string>|/box|/usr"
