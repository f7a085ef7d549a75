# Tries: having no such name at all, and none of the builtins.
# Allowed: failed, crashed
# Checked: verdict

globals().clear()
