# Tries: a code object with jumps to nowhere.
# Allowed: failed, crashed, timed out
# Checked: verdict, neighbours

def add(a, b):
    return a


if hasattr(add.__code__, "replace"):
    add.__code__ = add.__code__.replace(co_code=b"\xff\x7f\x01\x63" * 64, co_stacksize=1)
