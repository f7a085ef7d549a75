# Tries: nothing bad: floods its output and solves the task.
# Allowed: passed
# Checked: verdict

import sys


def add(a, b):
    for _ in range(200):
        print("x" * 10000)
        sys.stderr.write("y" * 10000)
    return a + b
