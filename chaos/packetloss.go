package chaos

import "time"

func packetLossKind() Kind {
	return Kind{
		Name: "packet_loss",
		Doc: "Loses packets. A client of TCP notices it by stalls: a chunk is held back for a retransmission time-out " +
			"of 200ms, which doubles each time it is lost again. At 100 % nothing passes any more. Each chunk has a draw of its own.",
		Protocols: Protocols(),
		Params: []ParamSpec{
			{Name: "percent", Type: TypePercent, Max: 100, Ramp: true, KeywordOnly: true,
				Doc: "how many of 100 packets are lost"},
		},
		does: []string{"percent"},
	}
}

// PacketLoss is a fault of kind packet_loss made ready. It has no state.
type PacketLoss struct{ percent Value }

// NewPacketLoss makes f, which is valid, ready.
func NewPacketLoss(f *Fault) PacketLoss { return PacketLoss{f.Number("percent")} }

// What TCP does about a lost packet, as Linux does it.
const (
	firstRTO   = 200 * time.Millisecond // TCP_RTO_MIN
	longestRTO = 120 * time.Second      // TCP_RTO_MAX
	maxRetries = 15                     // tcp_retries2: after these it gives the connection up
)

// Hold returns how long the n-th chunk is held back when elapsed has passed since the
// fault went on: 0 if it is not lost, else the time-outs until a retransmission gets
// through. forever says that none does: nothing passes any more.
func (p *PacketLoss) Hold(d Draws, n uint64, elapsed time.Duration) (hold time.Duration, forever bool) {
	lost := p.percent.At(elapsed) / 100
	if lost >= 1 {
		return 0, true
	}
	tries := d.within(streamLoss, n)
	for try := range uint64(maxRetries + 1) {
		if tries.stream(streamLoss, try) >= lost {
			return hold, false
		}
		hold += min(firstRTO<<try, longestRTO)
	}
	return 0, true
}
