"""LiveCodeBench: tests with arguments and a result, or with standard input and what has to be printed."""

import base64
import json
import sys
import zlib
from decimal import Decimal

import tester

# Limit of a test, and of running the program's definitions.
SECONDS = 6

# The most that the hidden tests of a problem may have, in bytes.
MAX_TESTS = 512 << 20


def grade(job, candidate):
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(50000)
    problem = job.problem
    tests = json.loads(problem["public_test_cases"]) + hidden_tests(problem["private_test_cases"])
    name = json.loads(problem["metadata"] or "{}").get("func_name")
    if name is None:
        grade_printed(candidate, job.program, tests)
    else:
        grade_returned(candidate, job.program, name, tests)


def grade_returned(candidate, program, name, tests):
    tests = [([json.loads(line) for line in test["input"].split("\n")], json.loads(test["output"])) for test in tests]
    candidate.load_lcb(program, name, SECONDS)
    for number, (arguments, expected) in enumerate(tests, 1):
        result = candidate.call(name, arguments, seconds=SECONDS, report_changes=False)
        if isinstance(result, tuple):
            result = list(result)
        if not result == expected:
            raise tester.Failure("wrong result in test %d" % number)


def grade_printed(candidate, program, tests):
    candidate.load_lcb(program, None, SECONDS)
    for number, test in enumerate(tests, 1):
        text = candidate.call("run", (test["input"],), seconds=SECONDS, report_changes=False)
        if not isinstance(text, str):
            raise tester.Failure("no text in test %d" % number)
        if not same_lines(text, test["output"]):
            raise tester.Failure("wrong output in test %d" % number)


def same_lines(text, expected):
    """Whether two texts have the same lines, but for white space around them and the way in which numbers are written."""
    lines, expected_lines = text.strip().split("\n"), expected.strip().split("\n")
    return len(lines) == len(expected_lines) and all(map(same_line, lines, expected_lines))


def same_line(line, expected):
    line, expected = line.strip(), expected.strip()
    if line == expected:
        return True
    try:
        return [Decimal(word) for word in line.split()] == [Decimal(word) for word in expected.split()]
    except ArithmeticError:  # a word that is no number, or one that equals nothing
        return False


def hidden_tests(text):
    """Returns the tests of private_test_cases: JSON, or base64(zlib(pickle(JSON)))."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    inflate = zlib.decompressobj()
    data = inflate.decompress(base64.b64decode(text, validate=True), MAX_TESTS)
    if not inflate.eof:
        raise ValueError("hidden tests are cut off, or have more than %d bytes" % MAX_TESTS)
    return json.loads(pickled_text(data))


# Operations of pickle. Those that build a string have its length's size in bytes, the others the size of an argument
# that has no meaning here.
STRINGS = {0x8c: 1, 0x58: 4, 0x8d: 8}  # SHORT_BINUNICODE, BINUNICODE, BINUNICODE8
OTHERS = {0x80: 1, 0x95: 8, 0x94: 0, 0x71: 1}  # PROTO, FRAME, MEMOIZE, BINPUT
STOP = 0x2e


def pickled_text(data):
    """Returns the str that a pickle holds. All other pickles are refused, and nothing that they name is looked up."""
    text, at = None, 0
    while at < len(data):
        operation = data[at]
        at += 1
        if operation == STOP and text is not None and at == len(data):
            return text
        if operation in STRINGS and text is None:
            size = STRINGS[operation]
            length = int.from_bytes(data[at:at + size], "little")
            at += size
            text = data[at:at + length].decode("utf-8", "surrogatepass")
            at += length
        elif operation in OTHERS:
            at += OTHERS[operation]
        else:
            break
    raise ValueError("a pickle of more than a string")
