"""Compares the sanitiser's search for the longest run of lines with trying all
runs, on random texts. Arguments: the folder of sanitize.py, a seed, how many
texts. Prints the first difference, or nothing."""

import ast
import random
import sys

sys.path.insert(0, sys.argv[1])
import sanitize

# Lines that open, close, continue, break and mend each other.
LINES = [
    "", "", "   ", "\t", "\x0c", "# note", "  # note", "x = 1", "x = 1; y = 2", "y = x \\", "    + 1", "\\",
    "x = (1,", "    2)", ")", "x = [", "]", "print(x", "f(a b)", "x = )", "x = {'a': 1,", "}", "z = (yield)",
    "def f(a):", "def f(a): return a", "async def g():", "class A:", "    def m(self):", "        return self",
    "    return x", "    x = 1", "  y = 2", "\tz = 3", "        w = 4", "    pass", "    if x:", "    else:",
    "if x:", "elif y:", "else:", "for i in x:", "while x: pass", "try:", "except E:", "except:", "finally:",
    "with a as b:", "@decorator", "    @decorator", "return x", "lambda: (", "x: int", "del x", "import os",
    "from os import (path,", "    sep)", '"""', "'''", '"""doc"""', "s = '''a", "b''' + c", "s = 'open", "s = 'on \\",
    "t'", "I'm sure.", "Sure, here it is:", "Sure", "ok", "```python", "```", "1. First", "- item", ">>> f(1)",
    "... x", "caf\u00e9 = 1", "\u201cquoted\u201d", "x = 09", "1 = x", "f() = 1", "x = 5 if", "a b c", "match x:",
    "    case 1:", "        return 2", "    case _: pass", "type X = int", 'f"{x}"', "f'{x", "f'{x!}'", "print 'a'",
    "x = 1\r", "\r", "    \r", "x\r = 1", "not", "await x", "x = $", "x?", "def", "def f(", "a=1, b=2):", "    ...",
    "global x", "nonlocal y", "break", "x = '\\d'", "x = 1 # c \\", "# c \\", "    # c \\", "@", "if x:  # c",
]


def slow_span(text):
    lines = text.split("\n")
    best, most = (0, 0), 0
    for i in range(len(lines)):
        for j in range(i + 1, len(lines)):
            try:
                ast.parse("\n".join(lines[i : j + 1]))
            except (SyntaxError, ValueError, MemoryError, RecursionError):
                continue
            count = sum(1 for line in lines[i : j + 1] if line.strip())
            if count > most:
                best, most = (i, j), count
    return "\n".join(lines[best[0] : best[1] + 1])


def main():
    chance = random.Random(int(sys.argv[2]))
    for _ in range(int(sys.argv[3])):
        # Few different lines in a text, so that they meet often.
        some = chance.sample(LINES, chance.randint(2, 12))
        text = "\n".join(chance.choice(some) for _ in range(chance.randint(1, 16)))
        fast, slow = sanitize.code_span(text), slow_span(text)
        if fast != slow:
            print("text %r\nfast %r\nslow %r" % (text, fast, slow))
            return


main()
