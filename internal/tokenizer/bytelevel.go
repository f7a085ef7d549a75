package tokenizer

import "strings"

// Byte-level spelling. A vocabulary file is JSON, so its tokens must be text, yet a token may be any byte sequence.
// GPT-2 therefore spells every byte as one printable character: the 188 bytes that are printable in Latin-1 stand for
// themselves, the other 68 become U+0100, U+0101, ... in the order of their values (a space is U+0120, "Ġ").

// byteOrder lists the bytes in GPT-2's vocabulary order: first those that spell themselves, then the rest.
var byteOrder = func() []byte {
	var printable, rest []byte
	for b := range 256 {
		if spellsItself(b) {
			printable = append(printable, byte(b))
		} else {
			rest = append(rest, byte(b))
		}
	}
	return append(printable, rest...)
}()

// byteSpelling is the character of each byte; spelledByte is its inverse.
var (
	byteSpelling [256]rune
	spelledByte  = map[rune]byte{}
)

func init() {
	next := rune(256)
	for _, b := range byteOrder {
		byteSpelling[b] = rune(b)
		if !spellsItself(int(b)) {
			byteSpelling[b] = next
			next++
		}
		spelledByte[byteSpelling[b]] = b
	}
}

func spellsItself(b int) bool {
	return '!' <= b && b <= '~' || 0xA1 <= b && b <= 0xAC || 0xAE <= b && b <= 0xFF
}

// spell writes bytes in the byte-level alphabet.
func spell(bytes string) string {
	var out strings.Builder
	for i := range len(bytes) {
		out.WriteRune(byteSpelling[bytes[i]])
	}
	return out.String()
}

// unspell is the inverse of spell; ok is false when text holds a character outside the alphabet.
func unspell(text string) (bytes string, ok bool) {
	out := make([]byte, 0, len(text))
	for _, r := range text {
		b, known := spelledByte[r]
		if !known {
			return "", false
		}
		out = append(out, b)
	}
	return string(out), true
}
