package ckpt

// TensorBoard event files: a sequence of TFRecords, each a protocol buffer
// message Event. The handful of fields needed are encoded by hand:
//
//	Event:             1 wall_time double, 2 step int64, 3 file_version string, 5 summary Summary, 7 session_log SessionLog
//	Summary:           1 value repeated Summary.Value
//	Summary.Value:     1 tag string, 2 simple_value float, 8 tensor TensorProto, 9 metadata SummaryMetadata
//	SummaryMetadata:   1 plugin_data (1 plugin_name string, 2 content bytes)
//	TensorProto:       1 dtype enum, 2 tensor_shape (2 dim (1 size)), 8 string_val bytes
//	SessionLog:        1 status enum
//	HParamsPluginData: 3 session_start_info, 4 session_end_info (1 status enum, 2 end_time_secs double)
//	SessionStartInfo:  1 hparams map<string, Value>, 5 start_time_secs double
//	Value:             2 number_value double, 3 string_value string, 4 bool_value bool
//
// (tensorflow/core/util/event.proto, framework/summary.proto and tensor.proto,
// tensorboard/plugins/hparams/plugin_data.proto, google/protobuf/struct.proto),
// and a record is length u64, masked CRC of the length u32, data, masked CRC of
// the data u32 (tensorflow/core/lib/io/record_writer.h), little-endian.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Events writes what TensorBoard shows, one file a process: it shows all files of
// a folder as one run, so that a resumed run simply writes the next.
type Events struct {
	// Now gives the time stamped on events. Set it before the first of them;
	// NewEvents sets time.Now.
	Now  func() time.Time
	dir  string
	from int64
	file *os.File // nil before the first event
}

// NewEvents makes the folder, if need be, for event files. The file itself
// begins with the first event. What earlier files have of the step from and
// later ones counts no more.
func NewEvents(dir string, from int64) (*Events, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, reason(err))
	}
	return &Events{Now: time.Now, dir: dir, from: from}, nil
}

// Scalar records a value, as float32, of the curve tag. It can be seen at once.
func (e *Events) Scalar(step int64, tag string, value float64) error {
	point := append(appendBytes(nil, 1, []byte(tag)), key(2, wireFixed32))
	return e.summary(step, binary.LittleEndian.AppendUint32(point, math.Float32bits(float32(value))))
}

// Text records a text, in Markdown.
func (e *Events) Text(step int64, tag, markdown string) error {
	const ofStrings = 7
	shape := appendBytes(nil, 2, appendUint(nil, 1, 1)) // one string
	tensor := appendBytes(appendBytes(appendUint(nil, 1, ofStrings), 2, shape), 8, []byte(markdown))
	point := appendBytes(appendBytes(nil, 1, []byte(tag)), 8, tensor)
	return e.summary(step, appendBytes(point, 9, plugin("text", nil)))
}

// Settings records what a run is made by, numbers, texts and truth values, which
// TensorBoard's table of hyperparameters compares runs by.
func (e *Events) Settings(values map[string]any) error {
	var info []byte
	for _, name := range slices.Sorted(maps.Keys(values)) {
		var value []byte
		switch v := values[name].(type) {
		case float64:
			value = appendDouble(nil, 2, v)
		case string:
			value = appendBytes(nil, 3, []byte(v))
		case bool:
			value = appendUint(nil, 4, map[bool]uint64{true: 1}[v])
		default:
			return fmt.Errorf("%s: setting %s is a %T; expected a number, a text or a truth value", e.dir, name, v)
		}
		info = appendBytes(info, 1, appendBytes(appendBytes(nil, 1, []byte(name)), 2, value))
	}
	return e.session("_hparams_/session_start_info", 3, appendDouble(info, 5, e.seconds()))
}

// Succeeded records, for that table, that the run has come to its end.
func (e *Events) Succeeded() error {
	const success = 1
	return e.session("_hparams_/session_end_info", 4, appendDouble(appendUint(nil, 1, success), 2, e.seconds()))
}

// session records a field of HParamsPluginData.
func (e *Events) session(tag string, field byte, info []byte) error {
	point := appendBytes(nil, 1, []byte(tag))
	return e.summary(0, appendBytes(point, 9, plugin("hparams", appendBytes(nil, field, info))))
}

// plugin is the metadata of a value that a plug-in shows.
func plugin(name string, content []byte) []byte {
	data := appendBytes(nil, 1, []byte(name))
	if content != nil {
		data = appendBytes(data, 2, content)
	}
	return appendBytes(nil, 1, data)
}

// summary records one Summary.Value.
func (e *Events) summary(step int64, value []byte) error {
	return e.event(step, 5, appendBytes(nil, 1, value))
}

// event records an Event with one field.
func (e *Events) event(step int64, field byte, data []byte) error {
	if e.file == nil {
		if err := e.create(); err != nil {
			return err
		}
	}
	event := e.stamp()
	if step != 0 {
		event = appendUint(event, 2, uint64(step))
	}
	return e.write(appendBytes(event, field, data))
}

// create begins a new file, whose name sorts behind those of earlier ones,
// whatever the clock says: files are read in the order of their names.
func (e *Events) create() error {
	seconds := e.Now().Unix()
	files, err := os.ReadDir(e.dir)
	if err != nil {
		return fmt.Errorf("%s: %w", e.dir, reason(err))
	}
	for _, file := range files {
		name, ours := strings.CutPrefix(file.Name(), eventsName)
		number, _, _ := strings.Cut(name, ".")
		if n, err := strconv.ParseInt(number, 10, 64); ours && err == nil {
			seconds = max(seconds, n)
		}
	}
	for n := 0; e.file == nil; n++ {
		name := fmt.Sprintf("%s%010d.nfcot.%04d", eventsName, seconds, n)
		file, err := os.OpenFile(filepath.Join(e.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s: %w", e.dir, reason(err))
		}
		e.file = file
	}
	if err := e.write(appendBytes(e.stamp(), 3, []byte("brain.Event:2"))); err != nil {
		return err
	}
	// Every file but the first that begins so takes the place of what was from this step on.
	const sessionStarts = 1
	return e.event(e.from, 7, appendUint(nil, 1, sessionStarts))
}

// eventsName begins the name of an event file, before the second it is from.
const eventsName = "events.out.tfevents."

func (e *Events) seconds() float64 { return float64(e.Now().UnixNano()) / 1e9 }

// stamp begins an Event with its wall time, in seconds since 1970.
func (e *Events) stamp() []byte {
	return appendDouble(nil, 1, e.seconds())
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

// appendUint appends a field of a whole number.
func appendUint(b []byte, field byte, v uint64) []byte {
	return binary.AppendUvarint(append(b, key(field, wireVarint)), v)
}

// appendDouble appends a field of a float64.
func appendDouble(b []byte, field byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(append(b, key(field, wireFixed64)), math.Float64bits(v))
}

// appendBytes appends a field of a string or an embedded message.
func appendBytes(b []byte, field byte, data []byte) []byte {
	b = append(b, key(field, wireBytes))
	b = binary.AppendUvarint(b, uint64(len(data)))
	return append(b, data...)
}

// Sync flushes the file to the disk.
func (e *Events) Sync() error {
	if e.file == nil {
		return nil
	}
	if err := e.file.Sync(); err != nil {
		return fmt.Errorf("%s: %w", e.file.Name(), reason(err))
	}
	return nil
}

// Close ends the file, if one was begun.
func (e *Events) Close() error {
	if e.file == nil {
		return nil
	}
	return e.file.Close()
}
