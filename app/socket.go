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

// A run can be seen and controlled from another process through a unix socket in a
// folder of its own, DATA/runs/ID/control.sock. Only the owner gets at it: the folder
// has the mode 0700, the socket 0600. Besides the socket there is a file named lock,
// on which the run's process holds a lock as long as it lives: a folder whose lock is
// free is what a dead process left.
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
	lockName   = "lock"
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
	lock     io.Closer
	listener *net.UnixListener

	running *Running
	ctx     context.Context // ends with what is left of the clients
	cancel  context.CancelFunc

	mu      sync.Mutex
	clients map[net.Conn]bool
	closing bool
	done    sync.WaitGroup
}

// OpenControl makes the folder and the socket for a run that has not begun, so that
// it can be refused where they cannot be made. Serve or Close it.
func OpenControl(data string) (*ControlSocket, error) {
	runs := filepath.Join(data, runsName)
	if err := os.MkdirAll(runs, 0o700); err != nil {
		return nil, fmt.Errorf("the folder for runs: %w", err)
	}
	// The folder gets its name when all is in it: whoever sees a run sees it whole.
	dir, err := os.MkdirTemp(runs, ".new-")
	if err != nil {
		return nil, fmt.Errorf("the folder of the run: %w", err)
	}
	c := &ControlSocket{dir: dir, clients: map[net.Conn]bool{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if c.lock, err = lockFile(filepath.Join(dir, lockName)); err == nil {
		err = c.listen()
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("the control socket: %w", err)
	}
	return c, nil
}

func (c *ControlSocket) listen() error {
	path, release, err := shortPath(c.dir)
	if err != nil {
		return err
	}
	defer release()
	c.listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return err
	}
	c.listener.SetUnlinkOnClose(false) // its folder is renamed
	return os.Chmod(filepath.Join(c.dir, socketName), 0o600)
}

// Serve makes the run known under its id and serves its clients until Close.
func (c *ControlSocket) Serve(r *Running) error {
	dir := filepath.Join(filepath.Dir(c.dir), r.ID)
	if err := os.Rename(c.dir, dir); err != nil {
		return fmt.Errorf("the folder of the run: %w", err)
	}
	c.dir, c.running = dir, r
	c.done.Go(c.accept)
	return nil
}

// Close lets clients take the end of the run, shortly, and removes the folder.
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
	err = errors.Join(err, removeRun(c.dir))
	if c.lock != nil {
		err = errors.Join(err, c.lock.Close())
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

// removeRun removes a run's folder: what this package put there, and nothing else.
func removeRun(dir string) error {
	var errs []error
	for _, name := range []string{socketName, lockName, ""} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
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
