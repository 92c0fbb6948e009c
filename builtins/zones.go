package builtins

import (
	"archive/zip"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// zoneData is the IANA time zone database as the Go distribution carries it
// (lib/time/zoneinfo.zip). It is read directly: time.LoadLocation would prefer the
// machine's own files, which differ from one machine to the next.
//
//go:embed zoneinfo.zip
var zoneData string

// zoneFiles are the zones by name, found once.
var zoneFiles = sync.OnceValues(func() (map[string]*zip.File, error) {
	archive, err := zip.NewReader(strings.NewReader(zoneData), int64(len(zoneData)))
	if err != nil {
		return nil, err
	}
	files := make(map[string]*zip.File, len(archive.File))
	for _, f := range archive.File {
		if !strings.HasSuffix(f.Name, "/") {
			files[f.Name] = f
		}
	}
	return files, nil
})

// LoadZone returns a zone by its name. "", "UTC" and "Local" are UTC.
func LoadZone(name string) (*time.Location, error) {
	switch name {
	case "", "UTC", "Local":
		return time.UTC, nil
	}
	files, err := zoneFiles()
	if err != nil {
		return nil, fmt.Errorf("reading the embedded time zones: %w", err)
	}
	file := files[name]
	if file == nil {
		return nil, fmt.Errorf(`time zone %s is unknown; write for example "Europe/Berlin" or "UTC"`, quote(name))
	}
	r, err := file.Open()
	if err != nil {
		return nil, fmt.Errorf("reading the embedded time zone %s: %w", name, err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading the embedded time zone %s: %w", name, err)
	}
	return time.LoadLocationFromTZData(name, data)
}
