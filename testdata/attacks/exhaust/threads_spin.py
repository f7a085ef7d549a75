# Tries: keeping all processors busy in threads after its function has returned.
# Allowed: failed, timed out, crashed
# Checked: neighbours, processes

import threading

threading.stack_size(1 << 16)


def work():
    while True:
        pass


for _ in range(30):
    threading.Thread(target=work, daemon=True).start()
