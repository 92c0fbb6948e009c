package runtime

import (
	"fmt"
	"slices"
	"strings"
)

// stepToSkip finds the step that a skip means.
func (r *Run) stepToSkip(path string) (*stepState, error) {
	if path != "" {
		if st := r.steps[path]; st != nil {
			return st, nil
		}
		return nil, fmt.Errorf("skip: no step %q is running; running: %s", path, r.runningSteps())
	}
	var leaf *stepState
	for p, st := range r.steps {
		if r.hasRunningBelow(p) {
			continue
		}
		if leaf != nil {
			return nil, fmt.Errorf("skip: more than one step is running, name one: %s", r.runningSteps())
		}
		leaf = st
	}
	if leaf == nil {
		return nil, fmt.Errorf("skip: no step is running")
	}
	return leaf, nil
}

func (r *Run) hasRunningBelow(path string) bool {
	for p := range r.steps {
		if strings.HasPrefix(p, path+"/") {
			return true
		}
	}
	return false
}

func (r *Run) runningSteps() string {
	var paths []string
	for p := range r.steps {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	if len(paths) == 0 {
		return "none"
	}
	return strings.Join(paths, ", ")
}
