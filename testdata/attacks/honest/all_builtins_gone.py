# Tries: nothing that helps: takes all builtins away after it is loaded, and solves the task.
# Allowed: passed, failed, crashed
# Checked: verdict

import builtins

for name in list(vars(builtins)):
    if name not in ("__build_class__", "__import__"):
        delattr(builtins, name)


def add(a, b):
    return a + b
