# Tries: changing the clock, the names, and settings of the host.
# Allowed: failed
# Checked: system

import ctypes

libc = ctypes.CDLL(None)
now = (ctypes.c_long * 2)(1, 0)
seen = []
for name, args in {"settimeofday": (164, now, 0), "clock_settime": (227, 0, now), "adjtimex": (159, (ctypes.c_int * 64)(1)), "clock_adjtime": (305, 0, (ctypes.c_int * 64)(1)),
                   "sethostname": (170, b"PWNED", 5), "setdomainname": (171, b"PWNED", 5), "stime": (25, now)}.items():
    if libc.syscall(*args) == 0 and name != "stime":
        seen.append(name)
for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger", "/proc/self/oom_score_adj", "/sys/kernel/uevent_helper",
             "/proc/self/uid_map", "/sys/fs/cgroup/cgroup.procs", "/proc/self/attr/current", "/proc/self/timerslack_ns", "/proc/self/coredump_filter", "/proc/self/clear_refs"):
    try:
        with open(path, "w") as f:
            f.write("0")
        seen.append(path)
    except OSError:
        pass
if seen:
    raise Exception("ESCAPED: %s" % seen)
