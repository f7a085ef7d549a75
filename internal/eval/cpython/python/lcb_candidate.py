"""LiveCodeBench in the candidate's process: makes a function of a program.

There are two kinds of problems. In one the program defines a function, or a class Solution with a method, that is
called with the arguments of a test. In the other the program reads standard input and prints. There its statements
become the body of a function that runs once for each test, and standard input and output are objects in memory.

The reference harness has its quirks here, and verdicts depend on them: sys.stdin has no iterator, its buffer reads the
first line for ever, and names that a program imports from sys are bound before input and output are replaced.
"""

import ast
import builtins
import io
import sys

# What every program may use without importing it.
PREAMBLE = "".join(
    ["from %s import *\n" % name for name in (
        "string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics",
        "itertools", "functools", "operator", "io", "sys", "json", "builtins", "typing")] +
    ["import %s\n" % name for name in (
        "string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics",
        "itertools", "functools", "operator", "io", "sys", "json")]) + "sys.setrecursionlimit(50000)\n"

# The function that a program with standard input becomes.
RUN = "wrapped_function"


def set_up():
    """Makes the interpreter what programs find in the reference harness, apart from what is taken away there."""
    builtins.exit = sys.exit
    sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__  # all null
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(50000)


def load_function(source, name):
    """Runs a program and returns its function, or the method of its class Solution."""
    source = PREAMBLE + "\n\n" + source
    module = run_module(compile(source, "<string>", "exec", 0, True))
    if "class Solution" in source:
        return getattr(module.Solution(), name)
    return getattr(module, name)


def load_program(source):
    """Returns a function that runs a program with a text as standard input and returns what it prints."""
    tree = wrap(ast.parse(source))
    module = run_module(compile(tree, "<string>", "exec", 0, True))
    program = getattr(module, RUN)
    return lambda text: run_program(program, text)


def run_module(code):
    module = type(sys)("tmp_sol", "")
    exec(code, module.__dict__)
    return module


def wrap(tree):
    """Makes a function of a module's statements. Imports stay outside, and come first."""
    statements = tree.body
    if statements and is_main_guard(statements[-1]):
        statements = statements[:-1] + statements[-1].body
    imports, others = [], []
    for statement in statements:
        (imports if isinstance(statement, (ast.Import, ast.ImportFrom)) else others).append(statement)
    if any(mentions_solution(statement) for statement in others):
        raise AttributeError("module 'tmp_sol' has no attribute 'Solution'")  # taken for one of the other kind
    module = ast.parse(PREAMBLE + "def %s(): pass\n" % RUN)
    function = module.body.pop()
    function.body = others
    module.body += imports + [function]
    return module


def is_main_guard(statement):
    """Whether a statement begins with `if __name__ == "__main__":`, in this order."""
    if not isinstance(statement, ast.If) or not isinstance(statement.test, ast.Compare):
        return False
    test = statement.test
    right = test.comparators[0]
    return (isinstance(test.left, ast.Name) and test.left.id == "__name__" and
            len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq) and
            isinstance(right, ast.Constant) and right.value == "__main__" and right.kind is None)


def mentions_solution(statement):
    """Whether the source of a statement has the words `class Solution`, outside comments."""
    for node in ast.walk(statement):
        if isinstance(node, ast.ClassDef) and node.name.startswith("Solution"):
            return True
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "class Solution" in node.value:
            return True
    return False


class Input:
    """Standard input of a program."""

    def __init__(self, text):
        self._text = text
        self._file = io.StringIO(text)
        self.buffer = InputBuffer(text)

    def read(self, *args):
        return self._text

    def readline(self, *args):
        return self._file.readline(*args)

    def readlines(self, *args):
        return self._text.split("\n")

    def __getattr__(self, name):
        return getattr(self._file, name)


class InputBuffer:
    def __init__(self, text):
        self._bytes = text.encode("utf-8")

    def read(self, *args):
        return self._bytes

    def readline(self, *args):
        return self._bytes.split(b"\n")[0] + b"\n"


def run_program(program, text):
    """Runs a program and returns what it prints. That it exits is no failure."""
    lines = iter(text.split("\n"))
    stdin, stdout, opened = sys.stdin, sys.stdout, builtins.open

    def open_input(*args, **kwargs):
        from unittest.mock import mock_open
        return mock_open(read_data=text)(*args, **kwargs)

    # What a program has imported from sys is the object that was there before.
    stdin.read = lambda *args: text
    stdin.readline = lambda *args: next(lines)
    stdin.readlines = lambda *args: text.split("\n")
    sys.stdin, builtins.open = Input(text), open_input
    sys.stdout = output = io.StringIO()
    output.close = lambda x: 1
    try:
        program()
    except SystemExit:
        pass
    finally:
        sys.stdin, sys.stdout, builtins.open = stdin, stdout, opened
    return output.getvalue()
