# Tries: finding the test or the benchmark in files that it can read.
# Allowed: failed, timed out
# Checked: secrets

import os

for top in (".", "..", "/tmp", "@CWD@", "@HOME@", "/dev"):
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith((".py", ".json", ".jsonl", ".gz", ".pyc")):
                raise Exception("ESCAPED: %s" % path)
