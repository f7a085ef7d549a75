# Tries: closing all descriptors.
# Allowed: failed, crashed
# Checked: verdict

import os

os.closerange(0, 1024)
