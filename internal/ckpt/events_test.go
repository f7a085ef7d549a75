package ckpt

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// at makes a clock that stands still.
func at(seconds float64) func() time.Time {
	return func() time.Time { return time.Unix(0, int64(seconds*1e9)) }
}

func mustEvents(t testing.TB, dir string, now func() time.Time) *Events {
	t.Helper()
	e, err := NewEvents(dir)
	if err != nil {
		t.Fatal(err)
	}
	e.Now = now
	t.Cleanup(func() { e.Close() })
	return e
}

func eventFiles(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// bitwiseCRC is CRC-32C by its definition, a bit at a time (polynomial
// 0x1EDC6F41 reflected), to check the table-driven one.
func bitwiseCRC(data []byte) uint32 {
	crc := ^uint32(0)
	for _, b := range data {
		crc ^= uint32(b)
		for range 8 {
			crc = crc>>1 ^ 0x82f63b78*(crc&1)
		}
	}
	return ^crc
}

func TestMaskedCRC(t *testing.T) {
	// RFC 3720, B.4: 32 bytes of zeros.
	if got := bitwiseCRC(make([]byte, 32)); got != 0x8a9136aa {
		t.Fatalf("the test's own CRC gives %08x", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOf(rapid.Byte()).Draw(t, "data")
		crc := bitwiseCRC(data)
		if got, want := maskedCRC(data), (crc>>15|crc<<17)+0xa282ead8; got != want {
			t.Fatalf("%08x, want %08x", got, want)
		}
	})
}

// The bytes of a file, put together by hand. Every event file in the world
// begins with the same twelve bytes: a record of 24 bytes and the CRC of that.
func TestEventBytes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "run")
	e := mustEvents(t, dir, at(1.5))
	if len(eventFiles(t, dir)) != 0 {
		t.Error("a file without an event")
	}
	if err := e.Scalar(300, "loss", 1); err != nil {
		t.Fatal(err)
	}
	wall := []byte{0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f} // field 1, double 1.5
	version := slices.Concat(wall, []byte{0x1a, 13}, []byte("brain.Event:2"))
	scalar := slices.Concat(wall, []byte{
		0x10, 0xac, 0x02, // field 2: 300
		0x2a, 13, // field 5: a summary of 13 bytes
		0x0a, 11, // field 1: a value of 11 bytes
		0x0a, 4, 'l', 'o', 's', 's', // field 1: tag
		0x15, 0, 0, 0x80, 0x3f, // field 2: float 1
	})
	want := append([]byte{24, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22}, version...)
	want = binary.LittleEndian.AppendUint32(want, maskedCRC(version))
	want = append(want, byte(len(scalar)), 0, 0, 0, 0, 0, 0, 0)
	want = binary.LittleEndian.AppendUint32(want, maskedCRC(want[len(want)-8:]))
	want = append(want, scalar...)
	want = binary.LittleEndian.AppendUint32(want, maskedCRC(scalar))

	path := filepath.Join(dir, "events.out.tfevents.0000000001.nfcot.0000")
	got, err := os.ReadFile(path) // before Close: it can be seen at once
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got  %x (%v)\nwant %x", got, err, want)
	}
}

type scalarEvent struct {
	step  int64
	tag   string
	value float32
}

// failer is what the reader needs of *testing.T and *rapid.T.
type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// decodeEvents is a small reader of its own: records, then fields.
func decodeEvents(t failer, path string) []scalarEvent {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	mask := func(data []byte) uint32 {
		crc := bitwiseCRC(data)
		return (crc>>15 | crc<<17) + 0xa282ead8
	}
	var events []scalarEvent
	for first := true; len(b) > 0; first = false {
		n := int(binary.LittleEndian.Uint64(b))
		data := b[12 : 12+n]
		if binary.LittleEndian.Uint32(b[8:]) != mask(b[:8]) || binary.LittleEndian.Uint32(b[12+n:]) != mask(data) {
			t.Fatalf("%s: wrong CRC", path)
		}
		b = b[12+n+4:]
		fields := decodeFields(t, data)
		if first {
			if string(fields[3]) != "brain.Event:2" {
				t.Fatalf("%s: version %q", path, fields[3])
			}
			continue
		}
		point := decodeFields(t, decodeFields(t, fields[5])[1])
		step, _ := binary.Uvarint(fields[2])
		events = append(events, scalarEvent{int64(step), string(point[1]), math.Float32frombits(binary.LittleEndian.Uint32(point[2]))})
	}
	return events
}

// decodeFields splits a protocol buffer message into its fields' bytes.
func decodeFields(t failer, b []byte) map[uint64][]byte {
	t.Helper()
	fields := map[uint64][]byte{}
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		b = b[n:]
		var size int
		switch tag & 7 {
		case 0:
			_, size = binary.Uvarint(b)
		case 1:
			size = 8
		case 5:
			size = 4
		case 2:
			length, n := binary.Uvarint(b)
			b, size = b[n:], int(length)
		default:
			t.Fatalf("wire type %d", tag&7)
		}
		fields[tag>>3], b = b[:size], b[size:]
	}
	return fields
}

func TestEventsDecoded(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		var want []scalarEvent
		run := filepath.Join(dir, "run")
		if err := os.RemoveAll(run); err != nil {
			t.Fatal(err)
		}
		e, err := NewEvents(run)
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 5).Draw(t, "events") {
			s := scalarEvent{rapid.Int64().Draw(t, "step"), rapid.String().Draw(t, "tag"), rapid.Float32().Draw(t, "value")}
			if err := e.Scalar(s.step, s.tag, float64(s.value)); err != nil {
				t.Fatal(err)
			}
			want = append(want, s)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		files, _ := filepath.Glob(filepath.Join(run, "events.out.tfevents.*"))
		if len(files) != 1 {
			t.Fatalf("files %v", files)
		}
		if got := decodeEvents(t, files[0]); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

// A resumed run writes the next file, even within the same second, and leaves
// the former ones alone.
func TestEventsResume(t *testing.T) {
	dir := t.TempDir()
	for step := range int64(3) {
		e := mustEvents(t, dir, at(float64(7+step/2)))
		if err := e.Scalar(step, "loss", float64(step)); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	files := eventFiles(t, dir) // sorted by name
	if len(files) != 3 {
		t.Fatalf("files %v", files)
	}
	for i, path := range files {
		want := []scalarEvent{{int64(i), "loss", float32(i)}}
		if got := decodeEvents(t, path); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

func TestEventsErrors(t *testing.T) {
	file := writeBytes(t, filepath.Join(t.TempDir(), "file"), nil)
	_, err := NewEvents(file)
	wantError(t, err, file, "not a directory")
	dir := filepath.Join(t.TempDir(), "gone")
	e := mustEvents(t, dir, at(1))
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	wantError(t, e.Scalar(1, "loss", 1), dir, "no such file")
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
