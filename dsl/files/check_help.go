package files

import (
	"strings"

	"starquake/units"
)

// boolHelp says what to write for what was meant as true or false.
func boolHelp(v *node) string {
	if v.kind != stringNode {
		return ""
	}
	word := ""
	switch strings.ToLower(v.text) {
	case "yes", "on", "y", "true":
		word = "true"
	case "no", "off", "n", "false":
		word = "false"
	default:
		return ""
	}
	if v.plain {
		return "in YAML 1.2 " + v.text + " is a string; write " + word
	}
	return "write " + word + ", without quotes"
}

// quoteHelp says what to write for what was meant as a string.
func quoteHelp(v *node) string {
	if v.kind == boolNode || v.kind == intNode || v.kind == floatNode {
		return "put it in quotes"
	}
	return ""
}

// numberHelp says what to write for what was meant as a number.
func numberHelp(v *node) string {
	if v.kind != stringNode || len(v.text) > 40 {
		return ""
	}
	without := strings.NewReplacer("_", "", ",", "").Replace(v.text)
	if _, rest := digits(without); rest == "" && without != "" {
		if without != v.text {
			return "write " + without
		}
		return "write " + v.text + ", without quotes"
	}
	if d, err := units.ParseDuration(v.text); err == nil {
		return "write a number without unit, which is " + bound(d.Seconds()) + " where seconds are meant"
	}
	return ""
}
