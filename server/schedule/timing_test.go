package schedule

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"starquake/builtins"
)

// TestTimes shows when schedules are due, in the way in which they say it. The clock of
// Berlin is put forward on 2026-03-29 from 02:00+01:00 to 03:00+02:00, and back on
// 2026-10-25 from 03:00+02:00 to 02:00+01:00; that of Apia left out 2011-12-30.
func TestTimes(t *testing.T) {
	for _, test := range []struct {
		name, definition, after string
		want                    []string
	}{
		{"once", `"at":"2026-05-01T12:00:00+02:00"`, "2026-01-01T00:00:00Z", []string{"2026-05-01T10:00:00Z"}},
		{"once, over", `"at":"2026-05-01T12:00:00Z"`, "2026-05-01T12:00:00Z", nil},
		{"after a delay", `"after":"90m"`, "2026-01-01T00:00:00Z", []string{"2026-01-01T01:30:00Z"}},
		{"after a delay, over", `"after":"90m"`, "2026-01-01T01:30:00Z", nil},
		{"every", `"every":"6h"`, "2026-01-01T00:00:00Z", []string{"2026-01-01T06:00:00Z", "2026-01-01T12:00:00Z", "2026-01-01T18:00:00Z"}},
		{"every, between two", `"every":"6h"`, "2026-01-01T13:14:15Z", []string{"2026-01-01T18:00:00Z", "2026-01-02T00:00:00Z", "2026-01-02T06:00:00Z"}},
		{"until", `"every":"6h","until":"2026-01-01T12:00:00Z"`, "2026-01-01T00:00:00Z", []string{"2026-01-01T06:00:00Z", "2026-01-01T12:00:00Z"}},
		{"weekdays", `"cron":"30 2 * * mon-fri"`, "2026-01-02T02:30:00Z", []string{"2026-01-05T02:30:00Z", "2026-01-06T02:30:00Z", "2026-01-07T02:30:00Z"}},
		{"either day", `"cron":"0 0 13 * fri"`, "2026-02-06T00:00:00Z", []string{"2026-02-13T00:00:00Z", "2026-02-20T00:00:00Z", "2026-02-27T00:00:00Z"}},
		{"sunday is 7 too", `"cron":"0 0 * * 7"`, "2026-01-01T00:00:00Z", []string{"2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z", "2026-01-18T00:00:00Z"}},
		{"daily", `"cron":"@daily"`, "2026-01-01T00:00:00Z", []string{"2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z"}},
		{"leap days", `"cron":"0 12 29 2 *"`, "2026-01-01T00:00:00Z", []string{"2028-02-29T12:00:00Z", "2032-02-29T12:00:00Z", "2036-02-29T12:00:00Z"}},
		{"in a zone", `"cron":"30 9 * * *","time_zone":"Asia/Kolkata"`, "2026-01-01T00:00:00Z", []string{"2026-01-01T04:00:00Z", "2026-01-02T04:00:00Z", "2026-01-03T04:00:00Z"}},

		{"a time that does not exist", `"cron":"30 2 * * *","time_zone":"Europe/Berlin"`, "2026-03-28T00:00:00Z",
			[]string{"2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"two times that do not exist", `"cron":"15,30 2 29 3 *","time_zone":"Europe/Berlin"`, "2026-03-28T00:00:00Z",
			[]string{"2026-03-29T01:00:00Z", "2027-03-29T00:15:00Z", "2027-03-29T00:30:00Z"}},
		{"the time of the jump itself", `"cron":"0 3 * * *","time_zone":"Europe/Berlin"`, "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z", "2026-03-31T01:00:00Z"}},
		{"every half hour over the jump", `"cron":"*/30 * * * *","time_zone":"Europe/Berlin"`, "2026-03-29T00:00:00Z",
			[]string{"2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"}},
		{"a time that comes twice", `"cron":"30 2 * * *","time_zone":"Europe/Berlin"`, "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z", "2026-10-27T01:30:00Z"}},
		{"a time that comes twice, asked between", `"cron":"30 2 * * *","time_zone":"Europe/Berlin"`, "2026-10-25T01:10:00Z",
			[]string{"2026-10-26T01:30:00Z", "2026-10-27T01:30:00Z", "2026-10-28T01:30:00Z"}},
		{"behind the double hour", `"cron":"0 3 * * *","time_zone":"Europe/Berlin"`, "2026-10-25T00:00:00Z",
			[]string{"2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z", "2026-10-27T02:00:00Z"}},
		{"hourly through the double hour", `"cron":"@hourly","time_zone":"Europe/Berlin"`, "2026-10-24T23:30:00Z",
			[]string{"2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"}},
		{"the end of a leap year", `"cron":"59 23 31 12 *","time_zone":"Australia/Sydney"`, "2028-12-30T20:00:00Z",
			[]string{"2028-12-31T12:59:00Z", "2029-12-31T12:59:00Z", "2030-12-31T12:59:00Z"}},
		{"a day that does not exist", `"cron":"0 12 30 12 *","time_zone":"Pacific/Apia"`, "2011-12-01T00:00:00Z",
			[]string{"2011-12-30T10:00:00Z", "2012-12-29T22:00:00Z", "2013-12-29T22:00:00Z"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, err := Parse([]byte(`{"orchestration":"x",` + test.definition + `}`))
			if err != nil {
				t.Fatal(err)
			}
			after, err := time.Parse(time.RFC3339, test.after)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, at := range d.Preview(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), after, 3) {
				got = append(got, at.Format(time.RFC3339))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got  %v\nwant %v", got, test.want)
			}
		})
	}
}

// TestTimesGoForward: whatever the zone and the line, times come one after another, the
// one after a time is the one after whatever lies before it, and none is left out.
func TestTimesGoForward(t *testing.T) {
	lines := []string{"*/7 * * * *", "30 2 * * *", "0 0 * * *", "59 23 31 12 *", "15 */2 * * *", "5 1-3 * * sun", "0 0 29 2 *"}
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Africa/Casablanca", "Australia/Lord_Howe", "Pacific/Apia", "America/Havana", "Asia/Gaza"}
	rapid.Check(t, func(t *rapid.T) {
		d := Definition{Orchestration: "x", Cron: rapid.SampledFrom(lines).Draw(t, "line"), TimeZone: rapid.SampledFrom(zones).Draw(t, "zone")}
		after := time.Unix(rapid.Int64Range(1_200_000_000, 2_000_000_000).Draw(t, "after"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		next := d.next(time.Time{}, after)
		if !next.After(after) {
			t.Fatalf("after %v comes %v", after, next)
		}
		between := after.Add(time.Duration(rapid.Float64Range(0, 0.999).Draw(t, "between") * float64(next.Sub(after))))
		if again := d.next(time.Time{}, between); !again.Equal(next) {
			t.Errorf("after %v comes %v, but after %v, between, %v", after, next, between, again)
		}
		zone, err := builtins.LoadZone(d.TimeZone)
		if err != nil {
			t.Fatal(err)
		}
		if d.Cron == "30 2 * * *" {
			// Every day has one, on its own date.
			if then := d.next(time.Time{}, next).In(zone); then.YearDay() == next.In(zone).YearDay() || then.Sub(next) > 50*time.Hour {
				t.Errorf("after %v comes %v", next.In(zone), then)
			}
		}
	})
}

func TestWrongDefinitions(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{`{"orchestration":"x"}`, "0 of at, after, every and cron are given"},
		{`{"every":"1h"}`, "expected the name"},
		{`{"orchestration":"x","every":"1h","cron":"@daily"}`, "2 of at"},
		{`{"orchestration":"x","every":"0s"}`, "expected 1s to 366d"},
		{`{"orchestration":"x","every":"400d"}`, "expected 1s to 366d"},
		{`{"orchestration":"x","after":"-1s"}`, "after"},
		{`{"orchestration":"x","every":"soon"}`, "every"},
		{`{"orchestration":"x","cron":"* * * *"}`, "expected five fields"},
		{`{"orchestration":"x","cron":"61 * * * *"}`, "cron"},
		{`{"orchestration":"x","cron":"0 0 30 2 *"}`, "never comes"},
		{`{"orchestration":"x","cron":"@every 1h"}`, "an interval goes into every"},
		{`{"orchestration":"x","cron":"@reboot"}`, "cron"},
		{`{"orchestration":"x","cron":"TZ=Europe/Berlin 0 0 * * *"}`, "goes into time_zone"},
		{`{"orchestration":"x","cron":"@daily","time_zone":"Mars/Olympus"}`, "is unknown"},
		{`{"orchestration":"x","cron":"@daily","time_zone":"Local"}`, "is unknown"},
		{`{"orchestration":"x","every":"1h","time_zone":"UTC"}`, "time_zone belongs to cron"},
		{`{"orchestration":"x","every":"1h","missed":"all"}`, "expected skip or run_once"},
		{`{"orchestration":"x","every":"1h","concurrency":"queue"}`, "expected forbid, allow or replace"},
		{`{"orchestration":"x","every":"1h","max_runs":-1}`, "max_runs is -1"},
		{`{"orchestration":"x","every":"1h","labels":{"schedule":"y"}}`, "set by the schedule itself"},
		{`{"orchestration":"x","every":"1h","evry":"2h"}`, "unknown field"},
		{`{"orchestration":"x","every":"1h"} {}`, "expected one JSON object, and there is something behind it"},
		{`{"orchestration":"x","every":"` + strings.Repeat("1", maxText) + `"}`, "it has 65568 bytes; expected at most 65536"},
	} {
		if d, err := Parse([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.100s: %+v, %v; want %q", test.text, d, err, test.want)
		}
	}
	for _, bad := range []string{"", "a/b", "..", "-a", "a b", "a\n", strings.Repeat("a", 101)} {
		if CheckName(bad) == nil {
			t.Errorf("the name %q is taken", bad)
		}
	}
}

// FuzzParse: no text breaks the reading, and what is taken has times that go forward and
// says the same when it is written and read again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"orchestration":"x","cron":"*/5 8-18/2,3 1,15 jan-nov mon#2","time_zone":"Europe/Berlin"}`))
	f.Add([]byte(`{"orchestration":"x","every":"90s","until":"2030-01-01T00:00:00Z","params":{"a":[1]}}`))
	f.Add([]byte(`{"orchestration":"x","cron":"0 0 L * ?"}`))
	f.Add([]byte(`{"orchestration":"x","at":"9999-12-31T23:59:59Z"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Parse(text)
		if err != nil {
			return
		}
		now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		times := d.Preview(now, now, 3)
		for i, at := range times {
			if !at.After(now) || i > 0 && !at.After(times[i-1]) {
				t.Errorf("%s: %v", text, times)
			}
		}
		body, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Parse(body); err != nil || !again.same(&d) {
			t.Errorf("%s: written as %s, read as %+v, %v", text, body, again, err)
		}
	})
}
