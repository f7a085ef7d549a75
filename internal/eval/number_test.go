package eval

import "testing"

func TestNumber(t *testing.T) {
	for text, want := range map[string]string{
		"72": "72", " 1,234\r\n": "1234", "-5": "-5", "+5": "5", "$1,500.00": "1500", "-$3": "-3", "$-3": "-3", "20.": "20", ".50": "0.5",
		"0.5": "0.5", "007": "7", "-0.0": "0", "12,345,678.90": "12345678.9", "100%": "100", "€7": "7",
		"": "", "abc": "", "1,23": "", "12,34": "", "3 5": "", "1.2.3": "", "--5": "", "-$-5": "", "#### 7": "", "1e3": "", "5 dollars": "", ".": "",
	} {
		got, ok := Number(text)
		if got != want || ok != (want != "") {
			t.Errorf("Number(%q) = %q, %v; want %q", text, got, ok, want)
		}
	}
}
