# Tries: a chain of a million exceptions, each the cause of the next, and a group of groups.
# Allowed: failed, crashed, timed out, out of memory
# Checked: verdict

def add(a, b):
    e = ValueError("0")
    for i in range(300000):
        new = ValueError(str(i))
        new.__cause__ = new.__context__ = e
        e = new
    raise e
