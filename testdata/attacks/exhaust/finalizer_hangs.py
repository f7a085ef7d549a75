# Tries: a finalizer that never returns.
# Allowed: failed, timed out
# Checked: processes

class Slow:
    def __del__(self):
        while True:
            pass


def add(a, b):
    return Slow()
