//go:build !unix

package cpython

import (
	"errors"
	"net"
	"os"
)

func socketPair() (a, b *os.File, err error) { return nil, nil, errors.ErrUnsupported }

func sendFiles(*net.UnixConn, []byte, []*os.File) error { return errors.ErrUnsupported }
