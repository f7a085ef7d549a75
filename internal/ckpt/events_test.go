package ckpt

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	e, err := NewEvents(dir, 0)
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
	start := append(slices.Clone(wall), 0x3a, 2, 0x08, 1) // field 7: a session that starts, at step 0
	want := append([]byte{24, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22}, version...)
	want = binary.LittleEndian.AppendUint32(want, maskedCRC(version))
	for _, event := range [][]byte{start, scalar} {
		want = append(want, byte(len(event)), 0, 0, 0, 0, 0, 0, 0)
		want = binary.LittleEndian.AppendUint32(want, maskedCRC(want[len(want)-8:]))
		want = append(want, event...)
		want = binary.LittleEndian.AppendUint32(want, maskedCRC(event))
	}

	path := filepath.Join(dir, "events.out.tfevents.0000000001.nfcot.0000")
	got, err := os.ReadFile(path) // before Close: it can be seen at once
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got  %x (%v)\nwant %x", got, err, want)
	}
}

// Settings, texts and sessions are what TensorBoard's own library writes for the same
// values (tensorboard 2.21.0, protobuf's deterministic serialization).
func TestEventsAreTensorBoards(t *testing.T) {
	dir := t.TempDir()
	e, err := NewEvents(dir, 301)
	if err != nil {
		t.Fatal(err)
	}
	e.Now = at(1.5)
	if err := errors.Join(
		e.Settings(map[string]any{"lr": 0.5, "method": "cot", "open": false, "tied": true}),
		e.Text(300, "config", "*a*"), e.Succeeded(), e.Sync(), e.Close()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"09000000000000f83f1a0d627261696e2e4576656e743a32",
		"09000000000000f83f10ad023a020801",
		"09000000000000f83f2a740a720a1c5f68706172616d735f2f73657373696f6e5f73746172745f696e666f4a520a500a0768706172616d7312451a430a0f0a026c72120911000000000000e03f0a0f0a066d6574686f6412051a03636f740a0a0a046f70656e120220000a0a0a04746965641202200129000000000000f83f",
		"09000000000000f83f10ac022a230a210a06636f6e666967420d080712041202080142032a612a4a080a060a0474657874",
		"09000000000000f83f2a3a0a380a1a5f68706172616d735f2f73657373696f6e5f656e645f696e666f4a1a0a180a0768706172616d73120d220b080111000000000000f83f",
	}
	var got []string
	for _, data := range records(t, eventFiles(t, dir)[0]) {
		got = append(got, hex.EncodeToString(data))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if err := e.Settings(map[string]any{"lr": 1}); err == nil || !strings.Contains(err.Error(), "setting lr is a int; expected a number") {
		t.Errorf("a setting of another type: %v", err)
	}
}

// Files are read in the order of their names, which is that in which they were written
// even if the clock was set back.
func TestEventsOrder(t *testing.T) {
	dir := t.TempDir()
	for i, now := range []float64{1000, 20, 1000, 2000} {
		e := mustEvents(t, dir, at(now))
		if err := errors.Join(e.Scalar(int64(i), "loss", 0), e.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for i, path := range eventFiles(t, dir) {
		if got := decodeEvents(t, path); len(got) != 1 || got[0].step != int64(i) {
			t.Errorf("%s: %v", path, got)
		}
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

// decodeEvents is a small reader of its own: records, then fields. It leaves out the
// event with which a file's session starts.
func decodeEvents(t failer, path string) []scalarEvent {
	t.Helper()
	var events []scalarEvent
	for i, data := range records(t, path) {
		fields := decodeFields(t, data)
		if i == 0 && string(fields[3]) != "brain.Event:2" {
			t.Fatalf("%s: version %q", path, fields[3])
		}
		if i == 1 && !bytes.Equal(fields[7], []byte{0x08, 1}) {
			t.Fatalf("%s: session %x", path, fields[7])
		}
		if i < 2 {
			continue
		}
		point := decodeFields(t, decodeFields(t, fields[5])[1])
		step, _ := binary.Uvarint(fields[2])
		events = append(events, scalarEvent{int64(step), string(point[1]), math.Float32frombits(binary.LittleEndian.Uint32(point[2]))})
	}
	return events
}

// records are the data of a file's records.
func records(t failer, path string) (all [][]byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	mask := func(data []byte) uint32 {
		crc := bitwiseCRC(data)
		return (crc>>15 | crc<<17) + 0xa282ead8
	}
	for len(b) > 0 {
		n := int(binary.LittleEndian.Uint64(b))
		data := b[12 : 12+n]
		if binary.LittleEndian.Uint32(b[8:]) != mask(b[:8]) || binary.LittleEndian.Uint32(b[12+n:]) != mask(data) {
			t.Fatalf("%s: wrong CRC", path)
		}
		all = append(all, data)
		b = b[12+n+4:]
	}
	return all
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
		e, err := NewEvents(run, 0)
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

// What a pattern for names would mean something else by is a folder like others.
func TestEventsInAnyFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run[1")
	for step, seconds := range []float64{9, 4} { // a clock that is set back
		e := mustEvents(t, dir, at(seconds))
		if err := e.Scalar(int64(step), "loss", 1); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	want := []scalarEvent{{1, "loss", 1}}
	if got := decodeEvents(t, filepath.Join(dir, files[1].Name())); !slices.Equal(got, want) {
		t.Errorf("the last file is %s, with %v; want %v", files[1].Name(), got, want)
	}
}

func TestEventsErrors(t *testing.T) {
	file := writeBytes(t, filepath.Join(t.TempDir(), "file"), nil)
	_, err := NewEvents(file, 0)
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
