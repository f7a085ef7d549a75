# Tries: a str with hostile comparisons and encodings of its own.
# Problem: text
# Allowed: failed
# Checked: verdict

class Str(str):
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = str.__hash__

    def encode(self, *args):
        return b"cba"

    def __str__(self):
        return "cba"


def backwards(text):
    return Str("wrong")
