# Tries: containers that contain themselves.
# Problem: sort
# Allowed: failed, crashed
# Checked: verdict

def ordered(values):
    value = []
    value.append({"self": value, "tuple": (value,)})
    return value
