package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"starquake/runtime/journal"
)

// PipeOptions are for ServePipe. The zero value works where in ends by itself when
// the process on its other end is done.
type PipeOptions struct {
	// Begin, if set, is written to the journal in place of what the process says.
	Begin *journal.RunBeginBody
	// Strict is Config.Strict.
	Strict bool
	// TurnLimit bounds what the process computes between an event and the next message;
	// 0: 2 seconds.
	TurnLimit time.Duration
	// Used is the processor time that the process has used up: see TurnTimer.
	Used func() time.Duration
	// MaxMessage bounds one message, in bytes; 0: 32 MiB.
	MaxMessage int
	// MaxJournal bounds all messages of a run together, in bytes; 0: 128 MiB, which the
	// parent holds in some four times as much memory.
	MaxJournal int64
	// Answer answers what the process asks with PipeWorld.Ask.
	Answer func(question json.RawMessage) (any, error)
	// Kill ends the process, so that in comes to its end. It may be called more than
	// once, from any goroutine, and also after the process has ended.
	Kill func()
	// Died says why in came to its end. It is called at most once.
	Died func(readErr error) Death
}

// pipeServer is the world's side of one run.
type pipeServer struct {
	world World
	out   io.Writer
	opt   PipeOptions
	lines chan []byte // closed after death was set
	death Death       // why lines were closed

	watchdog *TurnTimer
	late     bool // the watchdog bit; guarded by mu
	mu       sync.Mutex
	failed   bool // the world was told; guarded by mu
	over     bool // the run has ended well; guarded by mu

	total int64         // bytes read
	last  time.Duration // At of the last event
	wrote time.Duration // At of the last record
	begun bool
	facts pipeFacts
}

// ServePipe carries out, on world, what a run in another process asks for through in
// and out, until that run has ended. If the process ends before its run does, or does
// not keep to the protocol, ServePipe ends the run itself: it undoes and awaits all
// that is under way, completes the journal, and says why in the verdict.
//
// World is also told of that through its method Control, if it has one, at once and
// from another goroutine, as a Real must be: nothing else reaches it while it waits.
func ServePipe(in io.Reader, out io.Writer, world World, opt PipeOptions) Outcome {
	if opt.TurnLimit == 0 {
		opt.TurnLimit = 2 * time.Second
	}
	if opt.MaxMessage == 0 {
		opt.MaxMessage = 32 << 20
	}
	if opt.MaxJournal == 0 {
		opt.MaxJournal = 128 << 20
	}
	if opt.Kill == nil {
		opt.Kill = func() {}
	}
	if opt.Died == nil {
		opt.Died = func(err error) Death {
			return Death{Code: CodeScriptKilled, Message: fmt.Sprintf("the script's process ended before its run did: %v", err)}
		}
	}
	s := &pipeServer{world: world, out: out, opt: opt, lines: make(chan []byte, 1)}
	s.watchdog = &TurnTimer{Limit: opt.TurnLimit, Used: opt.Used, Late: s.bite}
	s.watchdog.Begin()
	defer s.watchdog.End()
	go s.read(in)
	result := s.serve()
	opt.Kill()
	for range s.lines { // the reader has ended when this is closed
	}
	return result
}

// serve handles one message after the other.
func (s *pipeServer) serve() Outcome {
	for {
		msg, err := s.next()
		if err != nil {
			return s.end(s.why(err))
		}
		switch {
		case msg.Ask != nil:
			err = s.answer(msg.Ask)
		case msg.Next != nil:
			err = s.turn(msg)
		case msg.Finish != nil:
			var out Outcome
			if out, err = s.finish(msg); err == nil {
				return out
			}
		default:
			err = errors.New("expected next, ask or finish")
		}
		if err != nil {
			return s.end(s.why(err))
		}
	}
}

// next waits for a message; the watchdog runs.
func (s *pipeServer) next() (*pipeMessage, error) {
	line, ok := <-s.lines
	if !ok {
		return nil, errDied
	}
	msg := new(pipeMessage)
	if err := decodeMessage(line, msg); err != nil {
		return nil, err
	}
	if msg.State != nil {
		s.facts.state = *msg.State
	}
	return msg, nil
}

// turn carries out one Next.
func (s *pipeServer) turn(msg *pipeMessage) error {
	if !s.watchdog.End() {
		return errLate
	}
	r, err := s.check(msg.Next)
	if err != nil {
		return err
	}
	if msg.Fail != nil && msg.Fail.Action == ActionFail {
		s.control(*msg.Fail)
	}
	ev := s.world.Next(r)
	s.last = ev.At
	s.facts.deliver(ev)
	s.watchdog.Begin()
	return s.write(&pipeAnswer{Event: wireEvent(ev)})
}

// finish carries out Finish and takes the outcome. The verdict is the one in the
// journal, whatever else the process says.
func (s *pipeServer) finish(msg *pipeMessage) (Outcome, error) {
	n := len(msg.Finish.Records)
	if n == 0 || msg.Finish.Records[n-1].Kind != journal.RunEnd {
		return Outcome{}, errors.New("the last record is not the end of the run")
	}
	end := msg.Finish.Records[n-1].Body.(*journal.RunEndBody)
	if len(msg.Finish.Start) > 0 {
		return Outcome{}, errors.New("the run ends and asks for an effect")
	}
	msg.Finish.Records = msg.Finish.Records[:n-1]
	r, err := s.check(msg.Finish)
	if err != nil {
		return Outcome{}, err
	}
	if len(s.facts.open) > 0 {
		return Outcome{}, errors.New("the run ends while effects are under way")
	}
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	r.Records = append(r.Records, journal.Record{At: s.last, Kind: journal.RunEnd, Place: journal.Place{Branch: "0"}, Body: end})
	s.world.Finish(r)
	s.watchdog.Begin()
	out := Outcome{RunEndBody: *end, Took: s.last}
	if last, err := s.next(); err == nil && last.Outcome != nil { // else only the details are lost
		out.Failures, _ = last.Outcome.failures()
	}
	return out, nil
}

// check makes sure that what the process asks for can be a run's doing: the journal
// must stay readable whatever the process is.
func (s *pipeServer) check(p *pipeReady) (*Ready, error) {
	begun, wrote := s.begun, s.wrote
	for i := range p.Records {
		rec := &p.Records[i]
		switch {
		case rec.At < wrote || rec.At > s.last:
			return nil, fmt.Errorf("a %s record of time %s; expected %s to %s", rec.Kind, rec.At, wrote, s.last)
		case (rec.Kind == journal.RunBegin) == begun:
			return nil, fmt.Errorf("a %s record where run.begin must come first and once", rec.Kind)
		case rec.Kind == journal.RunEnd:
			return nil, errors.New("a run.end record before the end")
		case rec.Kind == journal.RunBegin && s.opt.Begin != nil:
			rec.Body = s.opt.Begin
		}
		begun, wrote = true, rec.At
	}
	r, err := p.ready()
	if err != nil {
		return nil, err
	}
	if err := s.facts.follow(r); err != nil {
		return nil, err
	}
	s.begun, s.wrote = begun, wrote
	return r, nil
}

// answer answers a question. Its time counts as the turn's.
func (s *pipeServer) answer(question json.RawMessage) error {
	if s.opt.Answer == nil {
		return errors.New("a question, and nobody to answer")
	}
	answer, err := s.opt.Answer(question)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return s.write(&pipeAnswer{Answer: raw})
}

// write sends a message. That the process is gone is found out by reading.
func (s *pipeServer) write(msg *pipeAnswer) error {
	line, err := json.Marshal(msg)
	if err != nil {
		return err
	}
	_, _ = s.out.Write(append(line, '\n'))
	return nil
}
