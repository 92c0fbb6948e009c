package load

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// serverEnv makes this test binary a server: its CPU time is then not the client's.
const serverEnv = "STARQUAKE_TEST_LOAD_SERVER"

// TestServer serves in the process that startServer starts.
func TestServer(t *testing.T) {
	if os.Getenv(serverEnv) == "" {
		t.Skip("it serves the benchmark, in a process of its own")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("listening", l.Addr())
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadString(0) // until the parent is gone
		l.Close()
	}()
	_ = fasthttp.Serve(l, func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("hello") })
	os.Exit(0)
}

// startServer starts a server in another process.
func startServer(b *testing.B) (addr string, stop func()) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestServer$")
	cmd.Env = append(os.Environ(), serverEnv+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(line, "listening ")), func() {
		in.Close()
		_ = cmd.Wait()
	}
}

// cpu is the CPU time that this process took.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
