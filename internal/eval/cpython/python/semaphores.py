"""Semaphores for module multiprocessing where the system gives programs none, as in a sandbox without shared memory.

A program has threads and no processes, so that semaphores between threads are all that it can tell apart.
"""

RECURSIVE_MUTEX, SEMAPHORE = 0, 1


class SemLock:
    """Does what _multiprocessing.SemLock does, within one process."""

    SEM_VALUE_MAX = 2 ** 31 - 1

    def __init__(self, kind, value, maxvalue, name, unlink):
        import threading
        if kind not in (RECURSIVE_MUTEX, SEMAPHORE):
            raise ValueError("unrecognized kind")
        self.kind = kind
        self.maxvalue = maxvalue
        self.name = None if unlink else name
        self.handle = 0
        self._semaphore = threading.Semaphore(value)
        self._ident = threading.get_ident
        self._owner = None  # the thread that was the last to acquire it
        self._times = 0

    def acquire(self, block=True, timeout=None):
        if self.kind == RECURSIVE_MUTEX and self._is_mine():
            self._times += 1
            return True
        if block and timeout is not None:
            timeout = max(0.0, timeout)
        if not self._semaphore.acquire(block, timeout if block else None):
            return False
        self._owner = self._ident()
        self._times += 1
        return True

    def release(self):
        if self.kind == RECURSIVE_MUTEX:
            if not self._is_mine():
                raise AssertionError("attempt to release recursive lock not owned by thread")
            if self._times > 1:
                self._times -= 1
                return
        elif self._get_value() >= self.maxvalue:
            raise ValueError("semaphore or lock released too many times")
        self._times -= 1
        self._semaphore.release()

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *args):
        self.release()

    def _count(self):
        return self._times

    def _is_mine(self):
        return self._times > 0 and self._owner == self._ident()

    def _get_value(self):
        return self._semaphore._value

    def _is_zero(self):
        return self._get_value() == 0

    def _after_fork(self):
        self._times = 0


def put_into(module):
    """Gives module _multiprocessing these semaphores, if the system's are not to be had."""
    try:
        module.SemLock(SEMAPHORE, 1, 1, "/nfcot-%d" % id(module), True)
    except OSError:
        module.SemLock = SemLock
