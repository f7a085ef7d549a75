package ckpt

// TensorBoard event files: a sequence of TFRecords, each a protocol buffer
// message Event. The handful of fields needed are encoded by hand:
//
//	Event:         1 wall_time double, 2 step int64, 3 file_version string, 5 summary Summary
//	Summary:       1 value repeated Summary.Value
//	Summary.Value: 1 tag string, 2 simple_value float
//
// (tensorflow/core/util/event.proto and framework/summary.proto), and a record
// is length u64, masked CRC of the length u32, data, masked CRC of the data u32
// (tensorflow/core/lib/io/record_writer.h), little-endian.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"
)

// Events writes scalars for TensorBoard, one file a process: it shows all
// files of a folder as one run, so that a resumed run simply writes the next.
type Events struct {
	// Now gives the time stamped on events. Set it before the first Scalar;
	// NewEvents sets time.Now.
	Now  func() time.Time
	dir  string
	file *os.File // nil before the first Scalar
}

// NewEvents makes the folder, if need be, for event files. The file itself
// begins with the first Scalar.
func NewEvents(dir string) (*Events, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, reason(err))
	}
	return &Events{Now: time.Now, dir: dir}, nil
}

// Scalar records a value, as float32, of the curve tag. It can be seen at once.
func (e *Events) Scalar(step int64, tag string, value float64) error {
	if e.file == nil {
		if err := e.create(); err != nil {
			return err
		}
	}
	point := appendBytes(nil, 1, []byte(tag))
	point = append(point, key(2, wireFixed32))
	point = binary.LittleEndian.AppendUint32(point, math.Float32bits(float32(value)))
	event := append(e.stamp(), key(2, wireVarint))
	event = binary.AppendUvarint(event, uint64(step))
	event = appendBytes(event, 5, appendBytes(nil, 1, point))
	return e.write(event)
}

// create begins a new file, whose name sorts behind those of earlier seconds.
func (e *Events) create() error {
	seconds := e.Now().Unix()
	for n := 0; e.file == nil; n++ {
		name := fmt.Sprintf("events.out.tfevents.%010d.nfcot.%04d", seconds, n)
		file, err := os.OpenFile(filepath.Join(e.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s: %w", e.dir, reason(err))
		}
		e.file = file
	}
	return e.write(appendBytes(e.stamp(), 3, []byte("brain.Event:2")))
}

// stamp begins an Event with its wall time, in seconds since 1970.
func (e *Events) stamp() []byte {
	seconds := float64(e.Now().UnixNano()) / 1e9
	return binary.LittleEndian.AppendUint64([]byte{key(1, wireFixed64)}, math.Float64bits(seconds))
}

// write appends one record, in a single write: a reader never waits for half.
func (e *Events) write(data []byte) error {
	le := binary.LittleEndian
	record := le.AppendUint64(nil, uint64(len(data)))
	record = le.AppendUint32(record, maskedCRC(record))
	record = append(record, data...)
	record = le.AppendUint32(record, maskedCRC(data))
	if _, err := e.file.Write(record); err != nil {
		return fmt.Errorf("%s: %w", e.file.Name(), reason(err))
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedCRC is CRC-32C, rotated and shifted as TFRecords want it.
func maskedCRC(data []byte) uint32 {
	crc := crc32.Checksum(data, castagnoli)
	return (crc>>15 | crc<<17) + 0xa282ead8
}

// Wire types of protocol buffers.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// key begins a field; numbers up to 15 fit one byte.
func key(field, wireType byte) byte { return field<<3 | wireType }

// appendBytes appends a field of a string or an embedded message.
func appendBytes(b []byte, field byte, data []byte) []byte {
	b = append(b, key(field, wireBytes))
	b = binary.AppendUvarint(b, uint64(len(data)))
	return append(b, data...)
}

// Close ends the file, if one was begun.
func (e *Events) Close() error {
	if e.file == nil {
		return nil
	}
	return e.file.Close()
}
