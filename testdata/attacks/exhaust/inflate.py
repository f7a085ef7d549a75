# Tries: a small text that is huge when inflated.
# Allowed: failed, crashed, out of memory, timed out
# Checked: memory

import zlib

small = zlib.compress(bytes(1 << 26))
kept = [zlib.decompress(small) for _ in range(1000)]
