# Tries: a class whose name is no name: huge, or a str of its own.
# Allowed: failed, crashed, timed out
# Checked: verdict, memory

class Name(str):
    def encode(self, *args):
        raise SystemExit(0)


Huge = type("x" * (50 << 20), (), {})
Odd = type(Name("odd"), (), {})


def add(a, b):
    return Huge() if a == 2 else Odd()
