package sandbox

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// landlockVersion is the version of Landlock that the kernel offers, 0 if none.
func landlockVersion() int {
	v, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(v)
}

// Versions of Landlock that brought what we need or like.
const (
	landlockRefer    = 2 // renaming and linking between folders
	landlockTruncate = 3
	landlockNetwork  = 4 // the least that stands in for a mount namespace: with its predecessors files may be truncated
	landlockIoctl    = 5
	landlockScopes   = 6 // signals stay within
)

const (
	landlockRead  = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	landlockWrite = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
		unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_DIR |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE
	landlockDevice = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE

	// onFiles are the rights that a rule for something other than a folder may have.
	onFiles = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE
)

// landlockFiles are the kinds of access to files that a version of Landlock forbids.
func landlockFiles(version int) uint64 {
	files := uint64(unix.LANDLOCK_ACCESS_FS_REFER - 1) // all of version 1
	if version >= landlockRefer {
		files |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if version >= landlockTruncate {
		files |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if version >= landlockIoctl {
		files |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	return files
}

// newRuleset makes a ruleset that forbids all that this version of Landlock can
// forbid: each kind of access to files, TCP, and signals and abstract Unix
// sockets beyond those who have the rules.
func newRuleset(version int) (int, error) {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: landlockFiles(version)}
	if version >= landlockNetwork {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if version >= landlockScopes {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	// An older kernel takes a larger structure if what it does not know is 0.
	fd, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return -1, fmt.Errorf("landlock: %w", errno)
	}
	return int(fd), nil
}

// allowBeneath adds rights beneath what is open at path to a ruleset.
func allowBeneath(rules, path int, rights uint64) error {
	var st unix.Stat_t
	if err := unix.Fstat(path, &st); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= onFiles
	}
	// The kernel's structure is packed: 8 bytes, then 4.
	attr := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(path)}
	_, _, errno := unix.RawSyscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(rules), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("landlock: rule: %w", errno)
	}
	return nil
}
