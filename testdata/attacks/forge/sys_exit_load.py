# Tries: leaving with status 0 while the program is loaded.
# Allowed: failed, crashed
# Checked: verdict

import sys

sys.exit(0)
