package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

// peerVar makes the test program the clients and the upstream of BenchmarkIdle, so that
// they are not in the figures of the process that is measured.
const peerVar = "STARQUAKE_IDLE_CONNECTIONS"

// peer opens so many connections through the proxy whose address comes on the standard
// input, has each of them answered some times, and keeps them until the input ends.
func peer(count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go benchAnswers(c)
		}
	}()
	fmt.Println(l.Addr())
	in := bufio.NewReader(os.Stdin)
	addr, err := in.ReadString('\n')
	if err != nil {
		return err
	}
	var conns []net.Conn
	answer := make([]byte, len(benchResponse))
	for range n {
		c, err := net.Dial("tcp", strings.TrimSpace(addr))
		if err != nil {
			return err
		}
		conns = append(conns, c)
		for range 4 { // the later ones are handled otherwise than the first
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
				return err
			}
			if _, err := io.ReadFull(c, answer); err != nil {
				return err
			}
		}
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, in) // the end is what matters
	runtime.KeepAlive(conns)       // one that nobody holds is closed as it is collected
	return nil
}

// resident returns the memory that the process takes.
func resident(b *testing.B) int {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		b.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// BenchmarkIdle reports what an idle connection takes of memory, goroutine stacks and
// all, by what the process has more of it with 10 000 of them, less a few where 20 000
// files are the limit.
func BenchmarkIdle(b *testing.B) {
	const n = 9_900
	for _, protocol := range []string{"http", "tcp", "auto"} {
		b.Run(protocol, func(b *testing.B) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), fmt.Sprint(peerVar, "=", n))
			stdin, err := cmd.StdinPipe()
			if err != nil {
				b.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				b.Fatal(err)
			}
			cmd.Stderr = os.Stderr
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			defer cmd.Wait()
			defer stdin.Close()
			lines := bufio.NewReader(stdout)
			upstream, err := lines.ReadString('\n')
			if err != nil {
				b.Fatal(err)
			}
			p := startProxy(b, protocol, strings.TrimSpace(upstream))
			before := resident(b)
			fmt.Fprintln(stdin, p.Addr())
			if line, err := lines.ReadString('\n'); line != "ready\n" {
				b.Fatal(line, err)
			}
			b.ReportMetric(float64(resident(b)-before)/n/1024, "KiB/conn")
			b.ReportMetric(0, "ns/op")
		})
	}
}
