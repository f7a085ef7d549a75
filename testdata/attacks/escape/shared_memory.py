# Tries: leaving or finding memory, semaphores and queues that outlive it.
# Allowed: failed
# Checked: ipc, files

import ctypes

libc = ctypes.CDLL(None)
seen = []
for name, args in {"shmget": (29, 0x50574e, 4096, 0o1777), "semget": (64, 0x50574e, 1, 0o1777), "msgget": (68, 0x50574e, 0o1777), "shmget private": (29, 0, 4096, 0o1600),
                   "shmctl": (31, 0, 14, ctypes.create_string_buffer(256)), "mq_open": (240, b"PWNED", 0o102, 0o777, 0)}.items():
    if libc.syscall(*args) >= 0:
        seen.append(name)
for path in ("/dev/shm/PWNED", "/dev/mqueue/PWNED", "/run/PWNED", "/run/lock/PWNED"):
    try:
        open(path, "w").close()
        seen.append(path)
    except OSError:
        pass
try:
    from multiprocessing import shared_memory
    seen.append(shared_memory.SharedMemory("PWNED", True, 4096).name)
except Exception:
    pass
if seen:
    raise Exception("ESCAPED: %s" % seen)
