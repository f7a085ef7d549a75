# Tries: a product whose arguments alone take all memory.
# Allowed: failed, crashed, out of memory, timed out
# Checked: memory, neighbours

import itertools

list(itertools.product(range(10 ** 6), repeat=8))
