# Tries: an object whose class changes as it is read.
# Allowed: failed, crashed
# Checked: verdict

class A:
    @property
    def __class__(self):
        return int

    def __eq__(self, other):
        return True


def add(a, b):
    return A()
