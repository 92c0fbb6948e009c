//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// roleOf returns the part that this program plays under a name, in a process of its own,
// so that what it costs is not in the figures of what is measured. Servers run until
// they are killed.
func roleOf(name string) func(args []string) error {
	return map[string]func(args []string) error{
		"guard":     guard,
		"answer":    answerRole,
		"discard":   discardRole,
		"source":    sourceRole,
		"splice":    spliceRole,
		"grpc":      grpcRole,
		"grpc-load": grpcLoadRole,
		"ws":        wsRole,
		"ws-load":   wsLoadRole,
		"rest":      restRole,
	}[name]
}

// loaded is what a load prints.
type loaded struct {
	Count int
	Rate  float64
	P99   time.Duration
}

// each accepts connections for ever and serves each.
func each(args []string, serve func(c *net.TCPConn)) error {
	if len(args) < 1 {
		return errors.New("expected an address")
	}
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			serve(c.(*net.TCPConn))
		}()
	}
}

// response is what answer answers.
var response = []byte("HTTP/1.1 200 OK\r\nContent-Length: 129\r\n\r\n" + strings.Repeat("x", 128) + "\n")

// answer answers requests without bodies, also several at once.
func answer(c net.Conn) {
	in := bufio.NewReaderSize(c, 16<<10)
	out := bufio.NewWriterSize(c, 64<<10)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		if len(line) > len("\r\n") {
			continue
		}
		_, _ = out.Write(response) // Flush tells
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
	}
}

func answerRole(args []string) error {
	return each(args, func(c *net.TCPConn) { answer(c) })
}

func discardRole(args []string) error {
	return each(args, func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
}

// sourceRole sends as much as each connection takes.
func sourceRole(args []string) error {
	return each(args, func(c *net.TCPConn) {
		buf := make([]byte, 256<<10)
		for {
			if _, err := c.Write(buf); err != nil {
				return
			}
		}
	})
}

// spliceRole relays bytes without a look at them.
func spliceRole(args []string) error {
	if len(args) != 2 {
		return errors.New("expected two addresses")
	}
	return each(args, func(c *net.TCPConn) {
		up, err := net.Dial("tcp", args[1])
		if err != nil {
			return
		}
		defer up.Close()
		go func() {
			_, _ = io.Copy(up, c)
			_ = up.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.Copy(c, up)
	})
}

type message = wrapperspb.BytesValue

const echoMethod = "/bench.Echo/Unary"

func grpcRole(args []string) error {
	if len(args) != 1 {
		return errors.New("expected an address")
	}
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	unary := func(_ any, _ context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := new(message)
		return in, dec(in)
	}
	s := grpc.NewServer()
	s.RegisterService(&grpc.ServiceDesc{ServiceName: "bench.Echo", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Unary", Handler: unary}}}, struct{}{})
	return s.Serve(l)
}

// timed does work from many goroutines until the span is over, and prints how it went.
// work is called with what is to be counted.
func timed(args []string, workers int, work func(n int, until time.Time, took func(time.Duration)) error) error {
	if len(args) != 2 {
		return errors.New("expected an address and a span")
	}
	span, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	all := make([][]time.Duration, workers)
	errs := make([]error, workers)
	start := time.Now()
	var wg sync.WaitGroup
	for n := range workers {
		wg.Go(func() {
			errs[n] = work(n, start.Add(span), func(d time.Duration) { all[n] = append(all[n], d) })
		})
	}
	wg.Wait()
	took := time.Since(start)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	every := slices.Concat(all...)
	if len(every) == 0 {
		return errors.New("nothing was done in time")
	}
	slices.Sort(every)
	return json.NewEncoder(os.Stdout).Encode(loaded{len(every), float64(len(every)) / took.Seconds(), percentile(every, 0.99)})
}

// percentile returns that of sorted values.
func percentile(sorted []time.Duration, p float64) time.Duration {
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

// grpcLoadRole makes unary calls, over 4 connections 16 at a time on each.
func grpcLoadRole(args []string) error {
	const conns, calls = 4, 16
	if len(args) == 0 {
		return errors.New("expected an address")
	}
	var clients []*grpc.ClientConn
	for range conns {
		c, err := grpc.NewClient("passthrough:///"+args[0], grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return err
		}
		defer c.Close()
		clients = append(clients, c)
	}
	body := make([]byte, 100)
	return timed(args, conns*calls, func(n int, until time.Time, took func(time.Duration)) error {
		ctx, cancel := context.WithDeadline(context.Background(), until.Add(10*time.Second))
		defer cancel()
		for start := time.Now(); start.Before(until); {
			out := new(message)
			if err := clients[n%conns].Invoke(ctx, echoMethod, &message{Value: body}, out); err != nil {
				return err
			}
			if len(out.Value) != len(body) {
				return fmt.Errorf("an echo of %d bytes, expected %d", len(out.Value), len(body))
			}
			now := time.Now()
			took(now.Sub(start))
			start = now
		}
		return nil
	})
}

// wsRole echoes messages.
func wsRole(args []string) error {
	if len(args) != 1 {
		return errors.New("expected an address")
	}
	return http.ListenAndServe(args[0], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			kind, b, err := c.Read(r.Context())
			if err == nil {
				err = c.Write(r.Context(), kind, b)
			}
			if err != nil {
				return
			}
		}
	}))
}

// wsLoadRole sends a message over each of 32 connections whenever the last came back.
func wsLoadRole(args []string) error {
	return timed(args, 32, func(_ int, until time.Time, took func(time.Duration)) error {
		ctx, cancel := context.WithDeadline(context.Background(), until.Add(10*time.Second))
		defer cancel()
		c, _, err := websocket.Dial(ctx, "ws://"+args[0]+"/", nil)
		if err != nil {
			return err
		}
		defer c.CloseNow()
		body := make([]byte, 100)
		for start := time.Now(); start.Before(until); {
			if err := c.Write(ctx, websocket.MessageBinary, body); err != nil {
				return err
			}
			_, back, err := c.Read(ctx)
			if err != nil {
				return err
			}
			if len(back) != len(body) {
				return fmt.Errorf("an echo of %d bytes, expected %d", len(back), len(body))
			}
			now := time.Now()
			took(now.Sub(start))
			start = now
		}
		return nil
	})
}

// restRole opens so many connections to an address, has each answered some times, says so,
// and keeps them until the standard input ends.
func restRole(args []string) error {
	if len(args) != 2 {
		return errors.New("expected an address and a number")
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	got := make([]byte, len(response))
	for range n {
		c, err := net.Dial("tcp", args[0])
		if err != nil {
			return err
		}
		defer c.Close()
		for range 4 { // a proxy may handle the first otherwise than those behind it
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: rest\r\n\r\n"); err != nil {
				return err
			}
			if _, err := io.ReadFull(c, got); err != nil {
				return err
			}
		}
	}
	fmt.Println("resting")
	_, _ = io.Copy(io.Discard, os.Stdin) // its end is what matters
	return nil
}
