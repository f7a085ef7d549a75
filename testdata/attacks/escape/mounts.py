# Tries: mounting, unmounting and everything new that does the same.
# Allowed: failed
# Checked: mounts

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
seen = []
for name, args in {
        "mount proc": (165, b"proc", b"/tmp", b"proc", 0, 0), "mount tmpfs": (165, b"x", b".", b"tmpfs", 0, 0),
        "bind": (165, b"/", b".", 0, 4096, 0), "remount": (165, 0, b"/", 0, 32, 0), "umount": (166, b"/tmp", 2), "umount root": (166, b"/", 2),
        "pivot_root": (155, b".", b"."), "open_tree": (428, -100, b"/", 1), "fsopen": (430, b"tmpfs", 0),
        "fspick": (433, -100, b"/", 0), "mount_setattr": (442, -100, b"/", 0, b"\0" * 32, 32), "statmount": (457, b"\0" * 24, 0, 0, 0),
        "listmount": (458, b"\x18\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0", b"\0" * 64, 8, 0), "swapon": (167, b"/dev/vda", 0), "swapoff": (168, b"/swap"), "acct": (163, b"acct"),
        "quotactl": (179, 0x800002, b"/dev/vda", 0, 0), "name_to_handle_at": (303, -100, b"/", b"\x80\0\0\0" + b"\0" * 160, b"\0" * 8, 0),
        "fanotify": (300, 0, 0), "inotify": (253,)}.items():
    if libc.syscall(*args) >= 0:
        seen.append(name)
if seen:
    raise Exception("ESCAPED: %s" % seen)
