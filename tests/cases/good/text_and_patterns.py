# Works on text: patterns, wrapping, templates, Unicode forms, number formats.
import pprint, re, string, textwrap, unicodedata

log = "2024-01-02 ERROR disk full\n2024-01-03 INFO ok\n2024-01-03 ERROR no café"
found = re.findall(r"^(?P<day>\S+) ERROR (.+)$", log, re.M)
print(found, re.sub(r"(\d+)-(\d+)-(\d+)", r"\3.\2.\1", log.splitlines()[0]))
print(re.compile(r"(?i)\bé|(?<=f)é\b", re.U).search(log).span(), re.split(r"[,;]\s*", "a, b;c"), re.fullmatch("a{2}", "aa")[0])
print(textwrap.fill("the quick brown fox jumps over the lazy dog", 18, initial_indent="* ", subsequent_indent="  "))
print(textwrap.dedent("    a\n      b\n"), textwrap.shorten("one two three four", 12, placeholder="…"))
print(string.Template("$who owes $$${sum}").substitute(who="Ann", sum=5), string.capwords("ab cd"), string.ascii_letters[:3])
print("{:>8.3f}|{:^+9,d}|{:#x}|{:%}|{!r:*<6}|{:e}".format(3.14159, 12345, 255, 0.25, "é", 12345.678))
decomposed = unicodedata.normalize("NFD", "é")
print(len(decomposed), unicodedata.category("٣"), unicodedata.numeric("½"), unicodedata.lookup("SNOWMAN"), unicodedata.east_asian_width("中"))
print("straße".casefold(), "ǅ".lower(), "İ".lower().encode(), "٣".isdigit(), int("٣"), "中文".encode("gb18030").hex(), "ы".encode("koi8-r"), "日本".encode("shift_jis"))
pprint.pprint({"names": ["x" * 30, "y" * 30], "nested": {"k": (1, {2, 3})}}, width=60)
# role: public
# expect: ending=exited:0  stdout="[('2024-01-02', 'disk full'), ('2024-01-03', 'no café')] 02.01.2024 ERROR disk full\n(69, 70) ['a', 'b', 'c'] aa\n* the quick brown\n  fox jumps over\n  the lazy dog\na\n  b\n one two…\nAnn owes $5 Ab Cd abc\n   3.142| +12,345 |0xff|25.000000%|'é'***|1.234568e+04\n2 Nd 0.5 ☃ W\nstrasse ǆ b'i\\xcc\\x87' True 3 d6d0cec4 b'\\xd9' b'\\x93\\xfa\\x96{'\n{'names': ['xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',\n           'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy'],\n 'nested': {'k': (1, {2, 3})}}\n"  stderr=""
