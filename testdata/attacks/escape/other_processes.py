# Tries: tracing, reading and holding other processes, first of all the evaluation's.
# Allowed: failed
# Checked: signals, processes

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
seen = []
buffer = ctypes.create_string_buffer(64)
vector = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 64)
remote = (ctypes.c_uint64 * 2)(0x400000, 64)
for pid in (int("0@PID@"), 1, 2, libc.getppid(), libc.getpid() + 1, libc.getpid() - 1):
    if pid < 1:
        continue
    for name, args in {
            "ptrace attach": (101, 16, pid, 0, 0), "ptrace seize": (101, 0x4206, pid, 0, 0),
            "process_vm_readv": (310, pid, vector, 1, remote, 1, 0), "process_vm_writev": (311, pid, vector, 1, remote, 1, 0),
            "pidfd_open": (434, pid, 0), "kcmp": (312, pid, pid, 0, 0, 0), "process_madvise": (440, pid, vector, 1, 4, 0),
            "prlimit": (302, pid, 7, 0, buffer), "setpriority": (141, 0, pid, 19), "sched_setaffinity": (203, pid, 8, b"\1" + b"\0" * 7),
            "sched_setscheduler": (144, pid, 1, b"\1\0\0\0"), "ioprio_set": (251, 1, pid, 0x6000), "migrate_pages": (256, pid, 8, buffer, buffer),
            "move_pages": (279, pid, 0, 0, 0, 0, 0), "get_robust_list": (274, pid, buffer, buffer), "setpgid": (109, pid, 0), "getsid": (124, pid)}.items():
        if libc.syscall(*args) >= 0 and not (name == "prlimit" and pid == libc.getpid()):
            seen.append((name, pid))
if libc.syscall(101, 0, 0, 0, 0) == 0:
    seen.append("ptrace traceme")
if libc.syscall(438, 3, 3, 0) >= 0:
    seen.append("pidfd_getfd")
if seen:
    raise Exception("ESCAPED: %s" % seen)
