package effects

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// KindNotify sends a message to a channel of the environment. Its answer is a
// NotifyAnswer, whatever happened.
const KindNotify = "notify"

// The kinds of channel.
const (
	ChannelSlack   = "slack"   // a POST of {"text": …}, as Slack, Mattermost and others take it
	ChannelWebhook = "webhook" // a POST of {"channel": …, "message": …}
	ChannelLog     = "log"     // a line of this process's log
)

// maxMessage bounds a message, in bytes.
const maxMessage = 16 << 10

// Channel is where messages go. It is what the operator set up, so the policy for a
// script's own requests does not concern it; metadata addresses are never sent to.
type Channel struct {
	Kind string
	// URL gives the address that is posted to. It may hold a credential: nothing that
	// is written names it.
	URL func() (string, error)
}

// NotifyArgs are the arguments of kind "notify".
type NotifyArgs struct {
	Channel   string          `json:"channel"`
	Message   string          `json:"message"`
	Simulated json.RawMessage `json:"simulated,omitempty"`
}

// NotifyAnswer is the answer of kind "notify".
type NotifyAnswer struct {
	Elapsed time.Duration        `json:"elapsed"`
	Error   *journal.EffectError `json:"error,omitempty"`
}

// performNotify is the performer of KindNotify.
func (e *Effects) performNotify(ctx context.Context, call *runtime.Call) (any, error) {
	var args NotifyArgs
	if err := decodeArgs(KindNotify, call.Args, &args); err != nil {
		return nil, err
	}
	start := time.Now()
	answer := new(NotifyAnswer)
	if err := e.notify(ctx, &args); err != nil {
		answer.Error = classify(err)
	}
	answer.Elapsed = time.Since(start)
	if answer.Error != nil && ctx.Err() != nil {
		return nil, stopped(KindNotify)
	}
	return answer, nil
}

// notify sends one message.
func (e *Effects) notify(ctx context.Context, args *NotifyArgs) error {
	channel, ok := e.opts.Channels[args.Channel]
	if !ok {
		return problem(CodeInvalid, "the environment defines no channel %q; name it under notify in its file", args.Channel)
	}
	text, _, _ := cutText([]byte(args.Message), maxMessage)
	var body map[string]string
	switch channel.Kind {
	case ChannelLog:
		if e.opts.Logger != nil {
			e.opts.Logger.LogAttrs(ctx, slog.LevelInfo, text, slog.String("channel", args.Channel))
		}
		return nil
	case ChannelSlack:
		body = map[string]string{"text": text}
	default:
		body = map[string]string{"channel": args.Channel, "message": text}
	}
	address, err := channel.URL()
	if err != nil {
		return problem(CodeFailed, "the address of the channel %q: %v", args.Channel, err)
	}
	raw, err := marshal(body)
	if err != nil {
		return err
	}
	answer := new(HTTPAnswer)
	err = e.notifier.exchange(ctx, &HTTPArgs{
		Method: http.MethodPost, URL: address, Headers: map[string]string{"Content-Type": "application/json"}, Body: string(raw),
		Timeout: DefaultTimeout, MaxBody: 1 << 10, NoRedirect: true, Fresh: true,
	}, answer)
	if err != nil {
		p := classify(err)
		p.Message = strings.ReplaceAll(p.Message, address, "its address")
		return p
	}
	if answer.Status < 200 || answer.Status > 299 {
		return problem(CodeFailed, "the channel %q answered with status %d, expected 2xx", args.Channel, answer.Status)
	}
	return nil
}

// planNotify is the planner of KindNotify: the message arrives.
func planNotify(*runtime.Request) (runtime.Planned, error) {
	return runtime.Planned{Done: &runtime.PlannedEvent{Data: NotifyAnswer{Elapsed: plannedElapsed}}}, nil
}

// simulatedNotify is what a simulated NotifyAnswer may contain.
func simulatedNotify() *simulation {
	return &simulation{answer: func() any { return new(NotifyAnswer) }}
}
