package data

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"os"

	"nfcot/internal/ckpt"
	"nfcot/internal/progress"
)

// Lines yields the lines of a text file, or of standard input for "-", without their ends,
// up to the first error. begin makes the bar of a file of so many kB; of what does not say
// how much there is none is asked for.
func Lines(path string, begin func(kB int) *progress.Bar) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		f, err := ckpt.OpenText(path)
		if err != nil {
			yield("", err)
			return
		}
		defer f.Close()
		info, err := os.Stat(path)
		if path == ckpt.Stdin || err != nil {
			f.Lines()(yield)
			return
		}
		const unit = 1000
		bar := begin(int(info.Size() / unit))
		n := 0
		for line, err := range f.Lines() {
			if n++; n%1024 == 0 {
				bar.Set(int(f.BytesRead()/unit), fmt.Sprintf("%d lines", n))
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
		bar.Set(int(f.BytesRead()/unit), "")
		bar.End(fmt.Sprintf("%d lines", n))
	}
}

// Convert writes a line for each line of a file: what f appends to out. Errors name the
// file, path, and those of f the line, too.
func Convert(w io.Writer, path string, lines iter.Seq2[string, error], f func(line string, out []byte) ([]byte, error)) error {
	if path == ckpt.Stdin {
		path = "standard input"
	}
	out := bufio.NewWriter(w)
	n := 0
	var text []byte
	for line, err := range lines {
		if err == nil {
			n++
			if text, err = f(line, text[:0]); err != nil {
				err = fmt.Errorf("%s:%d: %w", path, n, err)
			}
		}
		if err == nil {
			_, err = out.Write(append(text, '\n'))
		}
		if err != nil {
			out.Flush() // the lines before it
			return err
		}
	}
	return out.Flush()
}
