package ckpt

// Append-only JSON lines: metrics, samples, verdicts. Each line reaches the
// operating system in one write, so a killed process leaves at most one torn
// line, the last, which the next OpenLog removes.

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	"nfcot/internal/ckpt/jsontext"
)

// A Log is a file of JSON lines open for appending. It is plain text: a
// compressed file cannot lose its last line. Append may be called from many
// goroutines.
type Log struct {
	path string
	file *os.File
}

// OpenLog opens or creates a log and drops a torn last line, one without its
// newline. A log that another process has open is refused: their lines would mix.
func OpenLog(path string) (*Log, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, reason(err))
	}
	l := &Log{path, file}
	if err := lock(file); errors.Is(err, ErrBusy) {
		file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := l.refuseCompressed(); err != nil {
		file.Close()
		return nil, err
	}
	all := func([]byte) (bool, error) { return true, nil }
	if err := l.keepWhile(all); err != nil {
		file.Close()
		return nil, err
	}
	return l, nil
}

// Append writes v as one line of JSON.
func (l *Log) Append(v any) error {
	text, err := jsontext.Marshal(v)
	if err != nil {
		return fmt.Errorf("%s: %w", l.path, err)
	}
	if _, err := l.file.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("%s: %w", l.path, reason(err))
	}
	return nil
}

// DropAfter removes the first line whose "step" is greater than step, and all
// lines behind it: what an interrupted run did after the state from which it is
// resumed. Lines without a step belong to the line before them.
func (l *Log) DropAfter(step int64) error {
	return l.keepWhile(func(text []byte) (bool, error) {
		var row struct {
			Step *int64 `json:"step"`
		}
		if err := jsontext.Unmarshal(text, &row); err != nil {
			return false, err
		}
		return row.Step == nil || *row.Step <= step, nil
	})
}

// keepWhile cuts the log before the first line that keep refuses or that has
// no newline.
func (l *Log) keepWhile(keep func(text []byte) (bool, error)) error {
	r := bufio.NewReaderSize(io.NewSectionReader(l.file, 0, 1<<62), 1<<16)
	end := int64(0)
	for number := 1; ; number++ {
		text, err := r.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", l.path, reason(err))
		}
		kept := true
		if len(bytes.TrimSpace(text)) > 0 {
			if kept, err = keep(text); err != nil {
				return fmt.Errorf("%s:%d: %w", l.path, number, err)
			}
		}
		if !kept {
			break
		}
		end += int64(len(text))
	}
	if err := l.file.Truncate(end); err != nil {
		return fmt.Errorf("%s: %w", l.path, reason(err))
	}
	return nil
}

func (l *Log) refuseCompressed() error {
	first := make([]byte, len(zstdMagic))
	n, err := l.file.ReadAt(first, 0)
	if err != nil && err != io.EOF {
		return fmt.Errorf("%s: %w", l.path, reason(err))
	}
	if first = first[:n]; bytes.HasPrefix(first, gzipMagic) || bytes.HasPrefix(first, zstdMagic) {
		return fmt.Errorf("%s: %w", l.path, errors.New("is compressed and cannot be appended to; uncompress it first"))
	}
	return nil
}

// Sync flushes the log to the disk.
func (l *Log) Sync() error {
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("%s: %w", l.path, reason(err))
	}
	return nil
}

// Close flushes the log to the disk and closes it.
func (l *Log) Close() error {
	syncErr := l.file.Sync()
	if err := l.file.Close(); err != nil || syncErr != nil {
		return fmt.Errorf("%s: %w", l.path, cmp.Or(syncErr, err))
	}
	return nil
}
