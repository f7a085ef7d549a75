# Tries: a program that takes the compiler forever, or all its stack.
# Allowed: failed, crashed, out of memory, timed out
# Checked: neighbours

for source in ("(" * 100000 + ")" * 100000, "-" * 1000000 + "1", "lambda: " * 100000 + "0", "f" + "(a for a in " * 5000, "1" + "**9" * 20, "x" + ".x" * 1000000):
    try:
        compile(source, "x", "eval")
    except (SyntaxError, MemoryError, RecursionError, ValueError, OverflowError):
        pass
