# Tries: a message that is a verdict.
# Allowed: failed
# Checked: verdict

class passed(Exception):
    pass


def add(a, b):
    raise passed("passed")
