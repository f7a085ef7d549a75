# Tries: nothing that helps: takes all builtins away after it is loaded, and solves the task.
# Allowed: passed, failed, crashed
# Checked: verdict

import builtins

remove, names = delattr, list(vars(builtins))
for name in names:
    if name not in ("__build_class__", "__import__"):
        remove(builtins, name)


def add(a, b):
    return a + b
