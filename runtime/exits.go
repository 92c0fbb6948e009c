package runtime

import (
	"slices"
	"strings"

	"starquake/runtime/journal"
)

// OpenExits are the names of the clean-ups that a journal has and that would have run had the
// run been stopped at its end: registered, and neither run to their end nor passed by when
// their step or branch ended.
func OpenExits(recs []journal.Record) []string {
	type open struct{ branch, path, name string }
	var all []open
	running := map[string]string{} // path of a clean-up by its branch
	over := func(branch, path string) {
		all = slices.DeleteFunc(all, func(o open) bool { return o.branch == branch && o.path == path })
	}
	for i := range recs {
		at := recs[i].Place.Branch
		switch body := recs[i].Body.(type) {
		case *journal.ExitBody:
			if when := ExitWhen(body.When); when == ExitAlways || when == ExitStop {
				all = append(all, open{at, body.Path, body.Name})
			}
		case *journal.BranchBeginBody:
			if body.Role == "exit" {
				running[at] = body.Path
			}
		case *journal.StepEndBody:
			over(at, body.Path)
		case *journal.EndBody:
			if recs[i].Kind != journal.BranchEnd {
				continue
			}
			path, isExit := running[at]
			if !isExit {
				all = slices.DeleteFunc(all, func(o open) bool { return o.branch == at })
				continue
			}
			maker := at[:max(0, strings.LastIndexByte(at, '.'))]
			for j, o := range slices.Backward(all) { // the last in is the first out
				if o.branch == maker && isChildPath(path, o.path, o.name) {
					all = slices.Delete(all, j, j+1)
					break
				}
			}
		}
	}
	var names []string
	for _, o := range all {
		names = append(names, o.name)
	}
	return names
}

// isChildPath reports whether path is one that childPath gives a name below another.
func isChildPath(path, below, name string) bool {
	if below != "" {
		name = below + "/" + name
	}
	return path == name || strings.HasPrefix(path, name+"#")
}
