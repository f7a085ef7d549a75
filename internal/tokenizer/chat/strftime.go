package chat

import (
	"fmt"
	"strings"
	"time"
)

// strftime is Python's datetime.strftime of a time without a zone, in the C locale.
func strftime(t time.Time, format string) string {
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			out.WriteByte(format[i])
			continue
		}
		i++
		plain := format[i] == '-' // glibc's: without a zero in front
		if plain && i+1 < len(format) {
			i++
		}
		part := strftimePart(t, format[i])
		if plain {
			if trimmed := strings.TrimLeft(part, "0 "); trimmed != "" {
				part = trimmed
			} else {
				part = "0"
			}
		}
		out.WriteString(part)
	}
	return out.String()
}

// layouts are the directives that Go's time formats as well.
var layouts = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan", 'd': "02", 'e': "_2", 'm': "01", 'y': "06", 'H': "15", 'I': "03",
	'M': "04", 'S': "05", 'p': "PM", 'j': "002", 'D': "01/02/06", 'x': "01/02/06", 'F': "2006-01-02", 'T': "15:04:05", 'X': "15:04:05",
	'R': "15:04", 'r': "03:04:05 PM", 'c': "Mon Jan _2 15:04:05 2006", 'Y': "2006",
}

func strftimePart(t time.Time, directive byte) string {
	if layout, ok := layouts[directive]; ok {
		return t.Format(layout)
	}
	weekday := int(t.Weekday())
	switch directive {
	case '%':
		return "%"
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case 'z', 'Z':
		return ""
	case 'f':
		return fmt.Sprintf("%06d", t.Nanosecond()/1000)
	case 'w':
		return fmt.Sprint(weekday)
	case 'u':
		return fmt.Sprint((weekday+6)%7 + 1)
	case 'U':
		return fmt.Sprintf("%02d", (t.YearDay()+6-weekday)/7)
	case 'W':
		return fmt.Sprintf("%02d", (t.YearDay()+6-(weekday+6)%7)/7)
	}
	fail("the directive %%%c of strftime_now is not supported", directive)
	return ""
}
