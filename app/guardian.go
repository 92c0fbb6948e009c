package app

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"starquake/effects"
	"starquake/units"
)

// guardianCommand and guardianVariable are how this program is started again as the
// guardian of a run.
const (
	guardianCommand  = "guardian"
	guardianVariable = "STARQUAKE_GUARDIAN"
)

// guardian is a run's side of the child process that takes faults off if this process is
// killed. The child is started with the first fault that outlives a process, has a
// session of its own, and is told of every such fault before it goes on. When its pipe
// closes without an orderly end, or the run ends with something that is not confirmed off, it
// takes off what is on. Its methods are safe for
// concurrent use, and do nothing on nil.
type guardian struct {
	run     string
	dir     string // of the run in its store; "" if it is not kept
	policy  effects.Policy
	secrets func() map[string]string
	logger  *slog.Logger

	mu    sync.Mutex
	held  []guarded // the oldest first
	child *guardianProcess
	ended bool
}

// guarded is a fault that outlives its process, with its secrets revealed: only the pipe
// has it.
type guarded struct {
	ID string `json:"id"`
	// Place is where the run asked for it, in its journal.
	Place string          `json:"place"`
	Args  json.RawMessage `json:"args"`
	// On says that it was confirmed on. Before that its process may die with what puts it on
	// under way, which then arrives late.
	On bool `json:"on,omitempty"`

	// asked is when a guardian was told of it, and settles, once it was taken off, until when
	// something of it may still arrive. With overdue that is looked for all the time.
	asked, settles time.Time
	overdue        bool
}

// guardianLine is one line of the pipe. One field is set.
type guardianLine struct {
	Hello  *guardianHello `json:"hello,omitempty"`
	Add    *guarded       `json:"add,omitempty"`
	On     string         `json:"on,omitempty"`
	Remove string         `json:"remove,omitempty"`
	End    bool           `json:"end,omitempty"`
	// Left: the run has ended, and what is held may still be on.
	Left bool `json:"left,omitempty"`
}

// guardianHello says whose guardian it is.
type guardianHello struct {
	Run string `json:"run"`
	// Dir is the run's folder, by which is known whether another process goes on with it.
	Dir    string         `json:"dir,omitempty"`
	Policy effects.Policy `json:"policy"`
	// Secrets are to be taken out of what it says.
	Secrets map[string]string `json:"secrets,omitempty"`
}

// guardianProcess is the child.
type guardianProcess struct {
	cmd *exec.Cmd
	in  *os.File
}

// add tells the guardian of a fault that is about to go on. Without a guardian the fault
// goes on all the same: the next start, or a cleanup, would take it off.
func (g *guardian) add(id, place string, args json.RawMessage) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return
	}
	f := guarded{ID: id, Place: place, Args: args}
	g.held = append(g.held, f)
	if g.child == nil {
		g.start()
		return
	}
	g.tell(guardianLine{Add: &f})
}

// on tells it that a fault is confirmed on.
func (g *guardian) on(id string) {
	g.change(guardianLine{On: id}, id, func(at int) { g.held[at].On = true })
}

// remove tells it that a fault is off.
func (g *guardian) remove(id string) {
	g.change(guardianLine{Remove: id}, id, func(at int) { g.held = slices.Delete(g.held, at, at+1) })
}

// change tells it of a fault that is held, and notes that here.
func (g *guardian) change(line guardianLine, id string, note func(at int)) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	at := slices.IndexFunc(g.held, func(f guarded) bool { return f.ID == id })
	if at < 0 {
		return
	}
	note(at)
	if g.child != nil {
		g.tell(line)
	}
}

// end tells it that the run has ended, whose folder nobody holds any more, and waits for its
// end. What may still be on it is left to see to: nobody waits for that.
func (g *guardian) end() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	if g.child == nil {
		return
	}
	// Of a run that is not kept it could tell nobody what it took off, nor be told.
	left := len(g.held) > 0 && g.dir != ""
	err := g.child.say(guardianLine{End: !left, Left: left}) // it may have died, and then has nothing to do
	if left && err == nil {
		g.logger.Warn("a fault may still be on; the run's guardian goes on trying to take it off, and notes that in the run", "run", g.run, "within", units.FormatDuration(guardianWithin))
		g.child.leave()
	} else {
		g.child.close()
	}
	g.child = nil
}

// tell says something to the child, or starts another one that is told all.
func (g *guardian) tell(line guardianLine) {
	if err := g.child.say(line); err != nil {
		g.logger.Warn("the guardian process has died; starting another one", "error", err)
		g.child.close()
		g.child = nil
		g.start()
	}
}

// start starts the child and tells it of all that is held.
func (g *guardian) start() {
	child, err := startGuardian()
	if err == nil {
		lines := []guardianLine{{Hello: &guardianHello{Run: g.run, Dir: g.dir, Policy: g.policy, Secrets: g.secrets()}}}
		for i := range g.held {
			lines = append(lines, guardianLine{Add: &g.held[i]})
		}
		for _, line := range lines {
			if err = child.say(line); err != nil {
				child.close()
				break
			}
		}
	}
	if err != nil {
		g.logger.Warn("there is no guardian process: if this one is killed, its faults stay on until starquake cleanup", "error", err)
		return
	}
	g.child = child
}

func startGuardian() (*guardianProcess, error) {
	program, err := ownProgram()
	if err != nil {
		return nil, err
	}
	childIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer childIn.Close()
	cmd := &exec.Cmd{
		Path: program, Args: []string{"starquake", guardianCommand}, Env: append(os.Environ(), guardianVariable+"=1"),
		Stdin: childIn, Stderr: os.Stderr,
	}
	ownSession(cmd)
	if err := cmd.Start(); err != nil {
		in.Close()
		return nil, fmt.Errorf("starting the guardian process: %w", err)
	}
	return &guardianProcess{cmd, in}, nil
}

// say writes one line. The pipe holds far more than a guardian that is alive leaves in it.
func (p *guardianProcess) say(line guardianLine) error {
	text, err := json.Marshal(line)
	if err == nil {
		_, err = p.in.Write(append(text, '\n'))
	}
	return err
}

// leave closes the pipe, and lets the child go on.
func (p *guardianProcess) leave() {
	p.in.Close()
	go func() { _ = p.cmd.Wait() }() // so that the system can forget it
}

// close closes the pipe and waits for the end of the child.
func (p *guardianProcess) close() {
	p.in.Close()
	_ = p.cmd.Wait() // what it has to say it has said on stderr
}
