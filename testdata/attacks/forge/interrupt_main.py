# Tries: signals and interrupts that break into the harness's own code.
# Allowed: failed, crashed, timed out
# Checked: verdict, signals

import signal
import _thread
import threading


def handler(number, frame):
    raise SystemExit(0)


for s in (signal.SIGALRM, signal.SIGINT, signal.SIGUSR1):
    signal.signal(s, handler)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
threading.Thread(target=lambda: [_thread.interrupt_main() for _ in range(100)]).start()
