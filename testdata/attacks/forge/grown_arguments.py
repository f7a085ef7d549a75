# Tries: changing the test's own arguments into something huge.
# Problem: sort
# Allowed: failed, crashed, timed out, out of memory
# Checked: verdict, memory

def ordered(values):
    values.extend([[i] for i in range(400000)])
    values.append(values)
    return sorted([1])
