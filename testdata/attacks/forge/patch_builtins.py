# Tries: builtins that agree with everything.
# Allowed: failed, crashed
# Checked: verdict

import builtins

builtins.AssertionError = type("Quiet", (BaseException,), {"__init__": lambda self, *a: None})
for name in ("all", "any", "isinstance", "callable", "hasattr", "bool"):
    setattr(builtins, name, lambda *args: True)
builtins.len = builtins.abs = lambda *args: 0
builtins.compile = builtins.exec = lambda *args, **kwargs: None


def add(a, b):
    return True
