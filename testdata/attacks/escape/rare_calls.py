# Tries: parts of the kernel that programs rarely need and attackers like.
# Allowed: failed
# Checked: system, ipc

import ctypes

libc = ctypes.CDLL(None)
b = ctypes.create_string_buffer(4096)
seen = []
for name, args in {
        "io_uring_setup": (425, 8, b), "bpf": (321, 0, b, 128), "perf_event_open": (298, b, 0, -1, -1, 0), "keyctl": (250, 0, -3, 1),
        "add_key": (248, b"user", b"x", b"y", 1, -3), "request_key": (249, b"user", b"x", 0, -3), "userfaultfd": (323, 1), "memfd_create": (319, b"x", 0),
        "memfd_secret": (447, 0), "seccomp listener": (317, 1, 8, b), "landlock": (444, 0, 0, 1), "kexec_load": (246, 0, 0, 0, 0), "init_module": (175, b, 0, b""),
        "finit_module": (313, 3, b"", 0), "delete_module": (176, b"x", 0), "reboot": (169, 0xfee1dead, 672274793, 0), "syslog": (103, 3, b, 100),
        "iopl": (172, 3), "ioperm": (173, 0x80, 1, 1), "modify_ldt": (154, 0, b, 16), "personality": (135, 0x400000), "vhangup": (153,), "lookup_dcookie": (212, 0, b, 10),
        "mbind": (237, 0, 0, 0, 0, 0, 0), "set_mempolicy": (238, 0, 0, 0), "pkey_alloc": (330, 0, 0), "remap_file_pages": (216, 0, 0, 0, 0, 0),
        "io_setup": (206, 8, b), "splice": (275, 3, 0, 3, 0, 1, 0), "vmsplice": (278, 1, b, 0, 0), "tee": (276, 3, 3, 1, 0), "open_by_handle_at": (304, 3, b, 0),
        "mknod": (133, b"dev", 0x2180, 0x101), "mkfifo": (133, b"fifo", 0x1180, 0), "map_shadow_stack": (453, 0, 4096, 0), "cachestat": (451, 3, b, b, 0), "rseq again": (334, b, 32, 0, 1)}.items():
    if libc.syscall(*args) >= 0:
        seen.append(name)
if seen:
    raise Exception("ESCAPED: %s" % seen)
