package journal

import (
	"encoding/json"
	"time"
)

// EffectStartBody is a request to the world; the effect's name is its Place.
type EffectStartBody struct {
	Kind   string          `json:"kind"` // "http", "exec", "fault", "watch", "approve", …
	Path   string          `json:"path,omitempty"`
	Args   json.RawMessage `json:"args"`
	Held   bool            `json:"held,omitempty"`
	Chaos  bool            `json:"chaos,omitempty"`  // a held effect that disturbs the system
	Repeat bool            `json:"repeat,omitempty"` // idempotent: may be asked again after a crash
	Within time.Duration   `json:"within,omitempty"` // it is given up after that long
	Terms  json.RawMessage `json:"terms,omitempty"`  // what its caller judges the answer by
}

// EffectNoteBody is a report of an effect that is still going on. A held effect's
// first note says that it is on.
type EffectNoteBody struct {
	Data json.RawMessage `json:"data"`
}

// EffectEndBody is the completion of an effect.
type EffectEndBody struct {
	Data  json.RawMessage `json:"data,omitempty"`
	Error *EffectError    `json:"error,omitempty"`
}

// EffectError says why an effect could not be done as asked.
type EffectError struct {
	Code    string `json:"code"` // "timeout", "refused", "denied", "stopped", "uncertain", "unclean", "failed", …
	Message string `json:"message"`
}

// Error makes an EffectError an error.
func (e *EffectError) Error() string { return e.Message }

// CodeUncertain is the code of an effect that was under way when the run's process died,
// and that must not be done twice: it may have been done, or not.
const CodeUncertain = "uncertain"

// CodeUnclean is the code of a held effect's end that could not be put on as a whole, and
// whose undo is not confirmed: a part of it may be on.
const CodeUnclean = "unclean"

// CodeAbandoned is the code of an effect that was cancelled and did not end in time. Of chaos that
// was being put on nobody knows what became.
const CodeAbandoned = "abandoned"

// CodeExpired is the code of a held effect's end whose undo nobody could ask for and
// whose lease has run out: it is off, since what held it took it off by itself.
const CodeExpired = "expired"

// CodeLost is the code of a held effect's end that is off like one that expired, but of
// which nobody knows that it was on until its end was asked for: it was seen to be gone
// before, or could not be reached any more.
const CodeLost = "lost"

// IsOff reports whether what ended with this error is off all the same, by itself.
func (e *EffectError) IsOff() bool { return e.Code == CodeExpired || e.Code == CodeLost }
