package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// A run that is kept can be seen and controlled from another process through a unix
// socket in its folder, DATA/runs/ID/control.sock. Only the owner gets at it: the folder
// has the mode 0700, the socket 0600. The run's process holds a lock on the run's
// journal as long as it lives (package store): where that is free, a socket is what a
// dead process left.
//
// The protocol is JSON, a request a line and an answer a line (ControlRequest,
// ControlAnswer). After the answer to "watch" the run's records follow, a line each.

// The bounds of the socket: a client that says nothing, reads nothing or says too
// much holds nothing up, and there are never many of them.
const (
	controlClients  = 64
	controlIdle     = 10 * time.Second // for a request to come in whole
	controlWrite    = 10 * time.Second // for a client to take what it asked for
	controlRequest  = 64 << 10         // bytes of one request
	controlDrain    = 2 * time.Second  // for clients to take the end of the run
	controlRecorded = 30 * time.Second // for a run to heed a control: its turn may be long
)

const (
	socketName = "control.sock"
	lockName   = "journal.jsonl"
	runsName   = "runs"
)

// DataDir is the folder for data: dir if it is given, else $XDG_STATE_HOME/starquake,
// else ~/.local/state/starquake.
func DataDir(dir string) (string, error) {
	if dir != "" {
		return filepath.Abs(dir)
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) { // others are to be ignored, says its specification
		return filepath.Join(state, "starquake"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no folder for data: %w; give one with --data", err)
	}
	return filepath.Join(home, ".local", "state", "starquake"), nil
}

// ControlSocket is the control socket of a run of this process.
type ControlSocket struct {
	dir      string
	listener *net.UnixListener

	running *Running
	ctx     context.Context // ends with what is left of the clients
	cancel  context.CancelFunc

	mu      sync.Mutex
	clients map[net.Conn]bool
	closing bool
	done    sync.WaitGroup
}

// ServeControl makes the run controllable from other processes until Close.
func (r *Running) ServeControl() (*ControlSocket, error) {
	if r.durable == nil {
		return nil, errors.New("the run has no folder: it is in memory only")
	}
	c := &ControlSocket{dir: r.durable.Dir(), running: r, clients: map[net.Conn]bool{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if err := c.listen(); err != nil {
		return nil, errors.Join(fmt.Errorf("the control socket: %w", err), c.Close())
	}
	c.done.Go(c.accept)
	return c, nil
}

// listen makes the socket under another name first: whoever sees it can connect.
func (c *ControlSocket) listen() error {
	path, release, err := shortPath(c.dir)
	if err != nil {
		return err
	}
	defer release()
	fresh := path + "~"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if c.listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"}); err != nil {
		return err
	}
	c.listener.SetUnlinkOnClose(false) // it is renamed
	if err := os.Chmod(fresh, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// Close lets clients take the end of the run, shortly, and removes the socket.
func (c *ControlSocket) Close() error {
	var err error
	if c.listener != nil {
		err = c.listener.Close()
	}
	c.mu.Lock()
	c.closing = true
	for conn := range c.clients {
		_ = conn.SetReadDeadline(time.Now()) // no more requests
	}
	c.mu.Unlock()
	late := time.AfterFunc(controlDrain, c.hangUp)
	c.done.Wait()
	late.Stop()
	c.cancel()
	if rerr := os.Remove(filepath.Join(c.dir, socketName)); !errors.Is(rerr, os.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}

// hangUp closes what clients are left.
func (c *ControlSocket) hangUp() {
	c.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.clients {
		_ = conn.Close()
	}
}

func (c *ControlSocket) accept() {
	for {
		conn, err := c.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // too many open files: it may pass
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-c.ctx.Done():
				return
			}
		}
		c.mu.Lock()
		full := c.closing || len(c.clients) >= controlClients
		if !full {
			c.clients[conn] = true
			c.done.Go(func() { c.serve(conn) })
		}
		c.mu.Unlock()
		if full {
			_ = conn.Close()
		}
	}
}

// serve answers one client's requests.
func (c *ControlSocket) serve(conn net.Conn) {
	defer func() {
		if p := recover(); p != nil { // a defect here must not end the run with its faults on
			_ = send(conn, ControlAnswer{Error: fmt.Sprintf("internal error: %v", p)})
		}
		_ = conn.Close()
		c.mu.Lock()
		delete(c.clients, conn)
		c.mu.Unlock()
	}()
	// The decoder reads ahead, so the bound is on what one request may bring with it.
	limited := &io.LimitedReader{R: conn}
	dec := json.NewDecoder(limited)
	for c.await(conn) {
		limited.N = controlRequest
		var req ControlRequest
		err := dec.Decode(&req)
		if err != nil {
			var timeout net.Error
			if !errors.Is(err, io.EOF) && !errors.As(err, &timeout) {
				_ = send(conn, ControlAnswer{Error: "expected one request as a line of JSON: " + err.Error()})
			}
			return
		}
		if c.answer(conn, &req) != nil {
			return
		}
	}
}

// await gives a client its time for the next request, unless the run is over.
func (c *ControlSocket) await(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closing && conn.SetReadDeadline(time.Now().Add(controlIdle)) == nil
}

// send writes one line.
func send(conn net.Conn, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := conn.SetWriteDeadline(time.Now().Add(controlWrite)); err != nil {
		return err
	}
	_, err = conn.Write(append(line, '\n'))
	return err
}
