package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// standIns are programs that documents use and that need not be on the machine that
// tests them. Each does what the documents ask of it, and refuses all else.
var standIns = map[string]func(){"curl": curl, "python3": python, "awaits-port": awaitsPort}

func refuse(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(2)
}

// curl sends one request.
func curl() {
	method, at, file, body := "", "", "", ""
	fails := false
	header := http.Header{}
	args := os.Args[1:]
	value := func(i int) string {
		if i+1 >= len(args) {
			refuse("curl: %s needs a value", args[i])
		}
		return args[i+1]
	}
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; arg {
		case "-s", "-N", "-sS":
		case "-f", "-fsS", "-sf":
			fails = true
		case "-X":
			method = value(i)
			i++
		case "-H":
			name, v, ok := strings.Cut(value(i), ":")
			if !ok {
				refuse("curl: header %q", args[i+1])
			}
			header.Set(name, strings.TrimSpace(v))
			i++
		case "-o":
			file = value(i)
			i++
		case "-d", "--data-binary":
			body = value(i)
			if name, ok := strings.CutPrefix(body, "@"); ok {
				text, err := os.ReadFile(name)
				if name == "-" {
					text, err = io.ReadAll(os.Stdin)
				}
				if err != nil {
					refuse("curl: %v", err)
				}
				body = string(text)
			}
			if method == "" {
				method = http.MethodPost
			}
			if header.Get("Content-Type") == "" {
				header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			i++
		default:
			if strings.HasPrefix(arg, "-") || at != "" {
				refuse("curl: the stand-in does not know %s", arg)
			}
			at = arg
		}
	}
	req, err := http.NewRequest(method, at, strings.NewReader(body))
	if err != nil {
		refuse("curl: %v", err)
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Fprintln(os.Stderr, "curl:", err)
		os.Exit(7)
	}
	defer resp.Body.Close()
	to := io.Writer(os.Stdout)
	if file != "" {
		f, err := os.Create(file)
		if err != nil {
			refuse("curl: %v", err)
		}
		defer f.Close()
		to = f
	}
	if fails && resp.StatusCode >= 400 {
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		fmt.Fprintf(os.Stderr, "curl: (22) status %d: %s\n", resp.StatusCode, why)
		os.Exit(22)
	}
	if _, err := io.Copy(to, resp.Body); err != nil {
		fmt.Fprintln(os.Stderr, "curl:", err)
		os.Exit(18)
	}
}

// python serves the folder it is started in: python3 -m http.server PORT.
func python() {
	if len(os.Args) != 4 || os.Args[1] != "-m" || os.Args[2] != "http.server" {
		refuse("python3: the stand-in knows -m http.server PORT")
	}
	server := &http.Server{Addr: "127.0.0.1:" + os.Args[3], Handler: http.FileServer(http.Dir(".")), ReadHeaderTimeout: 10 * time.Second}
	refuse("%v", server.ListenAndServe())
}

// awaitsPort waits until somebody listens at a port.
func awaitsPort() {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", "127.0.0.1:"+os.Args[1])
		if err == nil {
			c.Close()
			os.Exit(0)
		}
	}
	refuse("nobody listens at port %s", os.Args[1])
}
