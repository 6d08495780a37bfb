# Compiles programs that grow while they are compiled: deep brackets, long sums, powers of powers, many names.
for text in ("(" * 5000 + ")" * 5000, "1" + "+1" * 200_000, "-" * 100_000 + "1", "x = " + "[" * 90 + "1" + "]" * 90, "f'" + "{1}" * 50_000 + "'",
             "\n".join(f"a{n} = {n}" for n in range(50_000)), "if 1:\n" + "".join(" " * n + "if 1:\n" for n in range(1, 120)), "9**9**9", "'x' * (1 << 40)", "0 if 1 else " * 3000 + "1"):
    try:
        compile(text, "bomb", "exec")
    except (SyntaxError, MemoryError, RecursionError, OverflowError, ValueError):
        pass
print("held")
# expect: ending=exited:0|out_of_memory|signal:11|timed_out  stdout!~"ESCAPED"
