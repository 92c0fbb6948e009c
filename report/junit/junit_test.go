package junit_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"starquake/report/junit"
	"starquake/report/junit/junittest"
)

// Cases of every kind in two suites are valid, whatever their texts, and counted.
func TestWrite(t *testing.T) {
	hostile := "a\x00\x1b[31m </system-out> ]]> \xff & \ufffe"
	suite := junit.Suite{
		Name: hostile, Time: junit.Seconds(1500 * time.Millisecond), Timestamp: "2000-01-01T00:00:00",
		Properties: []junit.Property{{Name: hostile, Value: hostile}}, Out: hostile,
		Cases: []junit.Case{
			{Name: hostile, Class: hostile, Out: hostile},
			{Name: "s", Skipped: &junit.Skipped{Message: hostile}},
			{Name: "e", Error: &junit.Problem{Message: hostile, Type: hostile, Text: hostile}},
			{Name: "f", Failure: &junit.Problem{Message: hostile, Type: hostile, Text: hostile}},
		},
	}
	var out bytes.Buffer
	if err := junit.Write(&out, hostile, []junit.Suite{suite, {Name: "empty"}}); err != nil {
		t.Fatal(err)
	}
	if err := junittest.Validate(out.Bytes()); err != nil {
		t.Fatalf("%v\n%s", err, out.Bytes())
	}
	if want := ` tests="4" failures="1" errors="1" time="1.500">`; !strings.Contains(out.String(), want) {
		t.Errorf("the root has no%s:\n%s", want, out.Bytes())
	}
}

// The validator is no rubber stamp.
func TestValidateRefuses(t *testing.T) {
	for what, text := range map[string]string{
		"unknown element":   `<testsuites><nonsense/></testsuites>`,
		"unknown attribute": `<testsuites><testsuite name="x" tests="0" colour="red"/></testsuites>`,
		"missing attribute": `<testsuites><testsuite name="x"/></testsuites>`,
		"wrong order":       `<testsuites><testsuite name="x" tests="1"><testcase name="y"><failure/><error/></testcase></testsuite></testsuites>`,
		"wrong count":       `<testsuites><testsuite name="x" tests="2"><testcase name="y"/></testsuite></testsuites>`,
		"wrong root":        `<testsuite name="x" tests="0"/>`,
	} {
		if junittest.Validate([]byte(text)) == nil {
			t.Errorf("the validator takes %s: %s", what, text)
		}
	}
}
