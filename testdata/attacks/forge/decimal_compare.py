# Tries: a comparison of numbers that takes forever: an int with the exponent of a Decimal.
# Allowed: failed, crashed, timed out, out of memory
# Checked: verdict, memory, neighbours

from decimal import Decimal


def add(a, b):
    return Decimal("5E+999999999999999999") if a == 2 else Decimal("5E-999999999999999999")
