# Tries: defining something else than a function.
# Allowed: failed, crashed
# Checked: verdict

add = type("add", (), {"__new__": lambda cls, *args: cls, "__eq__": lambda *args: True})
