# Tries: a number with more digits than the machine has bits.
# Allowed: failed, crashed, out of memory, timed out
# Checked: neighbours, memory

x = 10 ** 10 ** 8
y = 7 ** 7 ** 7 ** 7
