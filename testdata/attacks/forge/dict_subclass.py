# Tries: a dict whose items, keys and comparison change with each look.
# Problem: sort
# Allowed: failed, crashed
# Checked: verdict

class Dict(dict):
    looks = 0

    def __eq__(self, other):
        return True

    def items(self):
        self.looks += 1
        return [(i, self.looks) for i in range(100)]

    def keys(self):
        raise KeyError(self.looks)

    def __len__(self):
        return 3


def ordered(values):
    return Dict(a=1)
