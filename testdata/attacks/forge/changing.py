# Tries: a result that is another each time that it is looked at.
# Allowed: failed, crashed
# Checked: verdict

class Changing:
    looks = -1

    def __index__(self):
        Changing.looks += 1
        return Changing.looks

    __int__ = __index__

    def __getattribute__(self, name):
        Changing.looks += 1
        return Changing.looks


def add(a, b):
    return Changing()
