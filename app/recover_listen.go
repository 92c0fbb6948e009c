package app

import (
	"encoding/json"
	"fmt"
	"net"

	"starquake/builtins"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// canListen says, before anything of a run is done that is taken up, whether its proxies can
// listen where their clients look for them. A run that went on without one would be at its
// end; so it stays interrupted, and can be taken up when the address is free.
func canListen(l *lent, recs []journal.Record) error {
	reports := map[journal.Place]json.RawMessage{}
	for i := range recs {
		if note, ok := recs[i].Body.(*journal.EffectNoteBody); ok && reports[recs[i].Place] == nil {
			reports[recs[i].Place] = note.Data
		}
	}
	for _, req := range runtime.OpenEffects(recs) {
		var target builtins.Target
		if req.Kind != builtins.KindProxy || json.Unmarshal(req.Args, &target) != nil {
			continue
		}
		if p, err := l.proxy(&target); p != nil || err != nil { // of the server, or refused where it is opened
			continue
		}
		at := listenAgain(&target, reports[req.ID])
		ln, err := net.Listen("tcp", at)
		if err != nil {
			return fmt.Errorf("the proxy %s of the run cannot listen: %w; free the address, then recover the run, or end it with --recover=rollback", target.Name, err)
		}
		_ = ln.Close()
	}
	return nil
}

// listenAgain is where a proxy listens whose run is taken up: where it did, if it has told.
func listenAgain(target *builtins.Target, report json.RawMessage) string {
	var was builtins.ProxyReport
	if json.Unmarshal(report, &was) == nil && was.Listen != "" {
		return was.Listen // any port was asked for, and clients know this one
	}
	return target.Listen
}
