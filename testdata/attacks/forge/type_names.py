# Tries: a class that says it is a type of the standard library which the protocol takes apart.
# Problem: ratio
# Allowed: failed, crashed
# Checked: verdict

def make(module, name):
    class Fake:
        numerator = "1"
        denominator = property(lambda self: 0)
        start = stop = step = 1

        def __iter__(self):
            return iter([1])

        def __str__(self):
            return "sNaN"

        def items(self):
            return [("a",)]

        def __eq__(self, other):
            return True

    Fake.__module__ = module
    Fake.__name__ = Fake.__qualname__ = name
    return Fake()


names = [("fractions", "Fraction"), ("decimal", "Decimal"), ("builtins", "range"), ("collections", "OrderedDict"),
         ("builtins", "int"), ("datetime", "timedelta")]


def ratio(a, b):
    return [make(*n) for n in names][int(b) % len(names)]
