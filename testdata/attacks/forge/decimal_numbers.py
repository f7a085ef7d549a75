# Tries: numbers that compare, or round, at great cost.
# Problem: ratio
# Allowed: failed, crashed, timed out, out of memory
# Checked: verdict, memory

from decimal import Decimal
from fractions import Fraction


def ratio(a, b):
    return Fraction(1 << 1000000, 3) if b == 3.0 else Decimal("1E+999999999999999999")
