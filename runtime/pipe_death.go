package runtime

import (
	"bufio"
	"errors"
	"io"
	"time"

	"starquake/units"
)

// Codes with which a run ends whose process did not keep to what it may.
const (
	// CodeProtocol: it said something that is no message, or none that fits.
	CodeProtocol = "protocol"
	// CodeScriptTime: it computed for too long in one turn.
	CodeScriptTime = "script_time"
	// CodeScriptMemory: its memory was used up.
	CodeScriptMemory = "script_memory"
	// CodeScriptOutput: it wrote too much into the journal.
	CodeScriptOutput = "script_output"
	// CodeScriptKilled: its process ended and nobody knows why.
	CodeScriptKilled = "script_killed"
)

// Death says why the process of a run is no more.
type Death struct {
	Code    string
	Message string
	// Script says that the script is to blame: a run that had not started anything is
	// then invalid, not errored.
	Script bool
}

var (
	errDied = errors.New("the process has ended") // death tells why
	errLate = errors.New("the watchdog bit")
)

// read brings the lines. At the end it fails the run, which may be waiting for an
// event that never comes.
func (s *pipeServer) read(in io.Reader) {
	defer close(s.lines)
	r := bufio.NewReaderSize(in, 1<<16)
	for {
		line, err := readLine(r, s.opt.MaxMessage)
		if s.total += int64(len(line)); s.total > s.opt.MaxJournal {
			err = errTooLong
		}
		if err != nil {
			s.died(err)
			return
		}
		s.lines <- line
	}
}

// died finds out why there are no more lines.
func (s *pipeServer) died(err error) {
	s.mu.Lock()
	late, over := s.late, s.over
	s.mu.Unlock()
	switch {
	case over:
		return
	case late:
		s.death = Death{CodeScriptTime, tooLong(s.opt.TurnLimit), true}
	case err == errTooLong:
		s.death = Death{CodeScriptOutput, "the script's log, checks and figures are too much for the journal; write less in one turn, or less in all", true}
	default:
		s.death = s.opt.Died(err)
	}
	s.control(Control{Action: ActionFail, By: s.death.Code, Detail: s.death.Message})
}

func tooLong(limit time.Duration) string {
	return "the script computed for more than " + units.FormatDuration(limit) + " in one turn"
}

// bite is the watchdog: faults off first, then the process.
func (s *pipeServer) bite() {
	s.mu.Lock()
	s.late = true
	s.mu.Unlock()
	s.control(Control{Action: ActionFail, By: CodeScriptTime, Detail: tooLong(s.opt.TurnLimit)})
	s.opt.Kill()
}

// control tells the world, once, that the run fails: it takes the faults off at once.
func (s *pipeServer) control(c Control) {
	s.mu.Lock()
	first := !s.failed
	s.failed = true
	s.mu.Unlock()
	if w, ok := s.world.(interface{ Control(Control) }); ok && first {
		w.Control(c)
	}
}

// why gives the reason to end the run for what went wrong with a message.
func (s *pipeServer) why(err error) Death {
	s.opt.Kill()
	s.mu.Lock()
	late := s.late || err == errLate
	s.mu.Unlock()
	switch {
	case late:
		return Death{CodeScriptTime, tooLong(s.opt.TurnLimit), true}
	case err != errDied:
		return Death{Code: CodeProtocol, Message: "the script's process did not keep to its protocol: " + err.Error()}
	}
	for range s.lines {
	}
	return s.death
}
