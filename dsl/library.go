package dsl

import (
	"embed"
	"io/fs"
)

//go:embed library/*.star
var libraryFiles embed.FS

// Library is the embedded standard library: NAME.star is loaded as
// "@starquake/NAME.star".
func Library() fs.FS {
	sub, err := fs.Sub(libraryFiles, "library")
	if err != nil {
		panic(err) // "library" is a valid path: see fs.Sub
	}
	return sub
}
