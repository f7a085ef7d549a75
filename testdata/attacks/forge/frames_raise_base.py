# Tries: raising every class of exceptions that there is, call after call.
# Allowed: failed, crashed
# Checked: verdict

import builtins

classes = [c for c in vars(builtins).values() if isinstance(c, type) and issubclass(c, BaseException)]


def add(a, b):
    for c in classes:
        if c.__name__ == "GeneratorExit":
            raise c(0)
