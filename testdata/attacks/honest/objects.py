# Tries: nothing bad: returns an int of its own class, which equals what it should, and solves the task.
# Allowed: passed
# Checked: verdict

class Number(int):
    pass


def add(a, b):
    return Number(a + b)
