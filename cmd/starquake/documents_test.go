package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
	"mvdan.cc/sh/v3/syntax"

	"starquake/dsl"
	"starquake/internal/porttest"
	"starquake/server"
)

var update = flag.Bool("update", false, "renew the output in the documents")

// fence is a block of code in a document.
type fence struct {
	line  int      // of the first line of the text
	words []string // what stands behind the fence
	text  string
}

func (f *fence) is(words ...string) bool {
	return len(f.words) >= len(words) && slices.Equal(f.words[:len(words)], words)
}

// file is the NAME of file=NAME behind the fence, "" without it.
func (f *fence) file() string {
	for _, w := range f.words {
		if name, ok := strings.CutPrefix(w, "file="); ok {
			return name
		}
	}
	return ""
}

// document is a document with its blocks; prose is the rest, with the lines of blocks empty.
type document struct {
	path   string // from the root of the repository
	text   string
	prose  string
	fences []*fence
}

const root = "../.."

// documents are all that the repository has.
func documents(t *testing.T) (docs []*document) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		doc := &document{text: string(text)}
		doc.path, err = filepath.Rel(root, path)
		if err == nil {
			err = doc.split()
		}
		docs = append(docs, doc)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func (d *document) split() error {
	var open *fence
	for i, line := range strings.SplitAfter(d.text, "\n") {
		mark, isFence := strings.CutPrefix(strings.TrimLeft(line, " "), "```")
		switch {
		case isFence && open == nil:
			open = &fence{line: i + 2, words: strings.Fields(mark)}
		case isFence:
			d.fences = append(d.fences, open)
			open = nil
		case open != nil:
			open.text += line
		default:
			d.prose += line
			continue
		}
		d.prose += "\n"
	}
	if open != nil {
		return fmt.Errorf("%s:%d: the block has no end", d.path, open.line)
	}
	return nil
}

// TestDocuments says of every block of every document that it is what the words behind
// its fence say, and that it is checked:
//
//	python, yaml          is planned, or read as an environment (app/TestDocs, app/TestReadme);
//	                      a script is laid out as fmt does
//	python signature      is made of the table of builtins
//	yaml settings         settings of the server (TestDocsSettings)
//	yaml actions, yaml CI the file of a CI system: its commands are those of the program
//	yaml prometheus       YAML
//	json, xml             is well-formed
//	sh                    the commands and flags are those of the program, and calls those of the server
//	sh run                is executed, with all others of the document, in one folder and
//	                      one shell. Each command must end with 0, or as its comment "# exit N"
//	                      says. Behind a command with & and "# listens on PORT" that is awaited;
//	                      what the document leaves running in the background is an error
//	text output           is what the last block that was executed wrote, but for blanks;
//	                      "…" stands for any lines. With "about" numbers may be others, but for addresses,
//	                      with from=N it is that of the document's Nth such block
//	text golden=FILE      its lines stand in that file
//
// With file=NAME it is written into that folder too. Ports are replaced by free ones.
func TestDocuments(t *testing.T) {
	docs := documents(t)
	if len(docs) < 20 {
		t.Fatalf("only %d documents", len(docs))
	}
	routes := routes(t)
	for _, doc := range docs {
		t.Run(doc.path, func(t *testing.T) {
			runs := false
			for _, f := range doc.fences {
				if err := f.check(routes); err != nil {
					t.Errorf("%s:%d: %v\n%s", doc.path, f.line, err, f.text)
				}
				runs = runs || f.is("sh", "run")
			}
			if runs {
				t.Parallel()
				doc.run(t)
			}
		})
	}
}

// check looks at a block that is not executed.
func (f *fence) check(routes map[string]bool) error {
	switch {
	case f.is("python", "signature"):
		return nil // no script
	case f.is("python"):
		laidOut, err := dsl.Format("block", []byte(f.text))
		if err == nil && string(laidOut) != f.text {
			err = fmt.Errorf("it is not laid out as starquake fmt does it (-want +got):\n%s", cmp.Diff(string(laidOut), f.text))
		}
		return err
	case f.is("yaml") && (len(f.words) == 1 || f.file() != ""), f.is("yaml", "settings"):
		return nil // by other tests
	case f.is("yaml", "actions"), f.is("yaml", "CI"):
		var tree yaml.Node
		if err := yaml.Unmarshal([]byte(f.text), &tree); err != nil {
			return err
		}
		return checkCI(&tree, "", routes)
	case f.is("yaml", "prometheus"):
		var v any
		return yaml.Unmarshal([]byte(f.text), &v)
	case f.is("json"):
		var v any
		return json.Unmarshal([]byte(f.text), &v)
	case f.is("xml"):
		dec := xml.NewDecoder(strings.NewReader("<all>" + f.text + "</all>"))
		for {
			if _, err := dec.Token(); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
		}
	case f.is("sh", "run"):
		return nil // is executed
	case f.is("sh"):
		return checkShell(f.text, routes)
	case f.is("text", "output"):
		return nil // compared with what was executed
	case f.is("text") && len(f.words) == 2 && strings.HasPrefix(f.words[1], "golden="):
		golden, err := os.ReadFile(filepath.Join(root, strings.TrimPrefix(f.words[1], "golden=")))
		if err != nil {
			return err
		}
		for line := range strings.Lines(f.text) {
			if line = strings.TrimSpace(line); line != "…" && !strings.Contains(blanks(string(golden)), blanks(line)) {
				return fmt.Errorf("%s does not have %q", f.words[1], line)
			}
		}
		return nil
	}
	return fmt.Errorf("nothing checks a block of %q: see TestDocuments", strings.Join(f.words, " "))
}

// checkCI looks at the commands below run: and script: of a CI system's file.
func checkCI(n *yaml.Node, key string, routes map[string]bool) error {
	if n.Kind == yaml.ScalarNode && slices.Contains([]string{"run", "script", "before_script", "after_script"}, key) {
		return checkShell(n.Value, routes)
	}
	for i, child := range n.Content {
		of := key
		if n.Kind == yaml.MappingNode {
			if of = ""; i%2 == 1 {
				of = n.Content[i-1].Value
			}
		}
		if err := checkCI(child, of, routes); err != nil {
			return err
		}
	}
	return nil
}

// others are the programs that documents may name besides ours; what they do is not
// checked.
var others = []string{"jq", "toxiproxy-cli", "echo", "cat", "mkdir", "cd", "git", "go", "install", "sudo", "systemctl", "chmod", "sleep",
	"docker", "cp", "tar", "source", "man", "kill", "export", "cosign", "sha256sum", "id", "useradd"}

// checkShell looks at the commands of a block.
func checkShell(text string, routes map[string]bool) (err error) {
	file, err := syntax.NewParser().Parse(strings.NewReader(text), "")
	if err != nil {
		return err
	}
	syntax.Walk(file, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || len(call.Args) == 0 || err != nil {
			return err == nil
		}
		var words []string
		for _, w := range call.Args {
			words = append(words, wordOf(w))
		}
		switch name := filepath.Base(words[0]); {
		case name == "starquake":
			err = checkCommand(words[1:])
		case name == "curl":
			err = checkCurl(words[1:], routes)
		case name == "make":
			for _, target := range words[1:] {
				if !strings.Contains(target, "=") && !makes(target) {
					err = fmt.Errorf("the Makefile has no %s", target)
				}
			}
		case !slices.Contains(others, name):
			err = fmt.Errorf("nothing is known of the command %s", name)
		}
		return err == nil
	})
	return err
}

// wordOf is a word without its quotes; variables stay as they are written.
func wordOf(w *syntax.Word) string {
	var b strings.Builder
	printer := syntax.NewPrinter()
	var parts func([]syntax.WordPart)
	parts = func(of []syntax.WordPart) {
		for _, p := range of {
			switch p := p.(type) {
			case *syntax.Lit:
				b.WriteString(strings.ReplaceAll(p.Value, `\`, ""))
			case *syntax.SglQuoted:
				b.WriteString(p.Value)
			case *syntax.DblQuoted:
				parts(p.Parts)
			default:
				_ = printer.Print(&b, p) // to memory
			}
		}
	}
	parts(w.Parts)
	return b.String()
}

func makes(target string) bool {
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	return err == nil && regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(target)+`:`).Match(text)
}

// checkCommand parses a command line of ours, and does nothing with it.
func checkCommand(args []string) error {
	// A file with settings need not be there.
	for i, arg := range args {
		if arg == "--config" && i+1 < len(args) {
			args = slices.Delete(slices.Clone(args), i, i+2)
			break
		}
	}
	parser, err := kong.New(&commands{}, kong.Name("starquake"), kong.Exit(func(int) {}), kong.Writers(io.Discard, io.Discard))
	if err != nil {
		return err
	}
	if _, err := parser.Parse(args); err != nil && !slices.Contains(args, "--help") && !slices.Contains(args, "-h") {
		return fmt.Errorf("starquake %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// checkCurl looks whether the server has the call.
func checkCurl(args []string, routes map[string]bool) error {
	method, at, body := "", "", false
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-X":
			i++
			method = args[i]
		case arg == "-d" || arg == "--data-binary":
			i++
			body = true
		case arg == "-H" || arg == "-o" || arg == "--cacert" || arg == "--connect-to":
			i++
		case !strings.HasPrefix(arg, "-"):
			at = arg
		}
	}
	if method == "" {
		if method = "GET"; body {
			method = "POST"
		}
	}
	i := strings.Index(at, "/api/")
	if i < 0 {
		return nil
	}
	path, _, _ := strings.Cut(at[i:], "?")
	want := strings.Split(method+" "+path, "/")
	for route := range routes {
		have := strings.Split(route, "/")
		if len(have) == len(want) {
			same := true
			for j := range have {
				same = same && (have[j] == want[j] || strings.HasPrefix(have[j], "{"))
			}
			if same {
				return nil
			}
		}
	}
	return fmt.Errorf("the server has no %s %s", method, path)
}

// routes are the calls of the server, as "GET /path/{name}".
func routes(t *testing.T) map[string]bool {
	t.Helper()
	doc := server.Document("test")
	all := map[string]bool{}
	for path, item := range doc.Paths {
		for method, op := range map[string]any{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "DELETE": item.Delete} {
			if fmt.Sprint(op) != "<nil>" {
				all[method+" "+path] = true
			}
		}
	}
	if all["GET /api/v1/openapi.json"] = true; len(all) < 40 {
		t.Fatalf("only %d calls", len(all))
	}
	return all
}

var addressed = regexp.MustCompile(`(?:127\.0\.0\.1|localhost|http\.server|listens on) ?:?([0-9]{4,5})\b`)

// run executes the document's blocks in one shell, and compares what it writes.
func (d *document) run(t *testing.T) {
	dir := t.TempDir()
	bin, err := exec.LookPath("starquake")
	if err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]string{"examples": filepath.Join(root, "examples"), "bin/starquake": bin} {
		if at, err = filepath.Abs(at); err == nil {
			if err = os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err == nil {
				err = os.Symlink(at, filepath.Join(dir, name))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var ports, others []string
	for _, m := range addressed.FindAllStringSubmatch(d.text, -1) {
		if !slices.Contains(ports, m[1]) {
			_, port, _ := net.SplitHostPort(porttest.Free(t))
			ports, others = append(ports, m[1]), append(others, port)
		}
	}
	slices.Sort(ports) // lists of addresses keep their order
	slices.Sort(others)
	var free, back []string // pairs: from, to
	for i, port := range ports {
		free, back = append(free, port, others[i]), append(back, others[i], port)
	}
	there, here := strings.NewReplacer(free...), strings.NewReplacer(back...)

	var script strings.Builder
	blocks := 0
	for _, f := range d.fences {
		if name := f.file(); name != "" {
			path := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&script, "cat > %s <<'END OF FILE'\n%sEND OF FILE\n", path, there.Replace(f.text))
		}
		if f.is("sh", "run") {
			fmt.Fprintf(&script, "echo '%s'\n", marker)
			blocks++
			if err := f.script(&script, there, d.path); err != nil {
				t.Fatalf("%s:%d: %v", d.path, f.line, err)
			}
		}
	}
	script.WriteString("exit 0\n")

	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("sh", "-c", script.String())
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(dir, ".state"), "TERM=dumb", "NO_COLOR=1", "CI=", "GITHUB_ACTIONS=",
		"GORACE=atexit_sleep_ms=0", "COLUMNS=100", "USER=you", "LC_ALL=C.UTF-8", "GITHUB_STEP_SUMMARY="+filepath.Join(dir, "summary.md"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
	case <-time.After(3 * patience):
		err = errors.New("it does not end")
	}
	left := endGroup(cmd.Process.Pid)
	text, readErr := os.ReadFile(out.Name())
	if readErr != nil {
		t.Fatal(readErr)
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", d.path, err, here.Replace(string(text)))
	}
	if left {
		t.Errorf("%s: what it starts in the background goes on after its last block: show the kill", d.path)
	}
	parts := strings.Split(here.Replace(string(text)), marker+"\n")[1:]
	if len(parts) != blocks {
		t.Fatalf("%d blocks wrote, expected %d", len(parts), blocks)
	}
	d.compare(t, parts)
}

const marker = "-- the next block --"

// script writes the commands of a block, each with what its end is compared with.
func (f *fence) script(w io.Writer, ports *strings.Replacer, doc string) error {
	file, err := syntax.NewParser(syntax.KeepComments(true)).Parse(strings.NewReader(f.text), "")
	if err != nil {
		return err
	}
	lines := strings.Split(f.text, "\n")
	for i, s := range file.Stmts {
		end := uint(len(f.text))
		if i+1 < len(file.Stmts) {
			end = file.Stmts[i+1].Pos().Offset()
		}
		text := f.text[s.Pos().Offset():end]
		_, comment, _ := strings.Cut(lines[s.End().Line()-1], "# ")
		want := 0
		if n, ok := strings.CutPrefix(comment, "exit "); ok {
			number, _, _ := strings.Cut(n, ":")
			if want, err = strconv.Atoi(strings.TrimSpace(number)); err != nil {
				return fmt.Errorf("%q: expected # exit N, or # exit N: why", comment)
			}
		}
		fmt.Fprintf(w, "%s\n", ports.Replace(text))
		if s.Background {
			if port, ok := strings.CutPrefix(comment, "listens on "); ok {
				port, _, _ = strings.Cut(port, ":")
				fmt.Fprintf(w, "awaits-port %s || exit 98\n", ports.Replace(strings.TrimSpace(port)))
			}
			continue
		}
		fmt.Fprintf(w, "code=$?; [ $code = %d ] || { echo '%s:%d: ended with' $code', expected %d' >&2; exit 97; }; (exit $code)\n",
			want, doc, f.line+int(s.Pos().Line())-1, want)
	}
	return nil
}

// endGroup ends what the shell has left in the background, and reports whether there was
// something that nobody had ended.
func endGroup(pid int) (left bool) {
	gone := func() bool {
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if syscall.Kill(-pid, 0) != nil {
				return true
			}
		}
		return false
	}
	if gone() { // at once, or soon after the last kill
		return false
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if syscall.Kill(-pid, sig) != nil || gone() {
			break
		}
	}
	return true
}

// compare sets the output in the document beside what was written.
func (d *document) compare(t *testing.T, parts []string) {
	t.Helper()
	at, last, renewed := -1, "", d.text
	for _, f := range d.fences {
		switch {
		case f.is("sh", "run"):
			at++
			last = parts[at]
		case f.is("text", "output"):
			wrote := last
			for _, w := range f.words {
				if n, ok := strings.CutPrefix(w, "from="); ok {
					i, err := strconv.Atoi(n)
					if err != nil || i < 1 || i > len(parts) {
						t.Fatalf("%s:%d: %s: %d blocks are executed", d.path, f.line, w, len(parts))
					}
					wrote = parts[i-1]
				}
			}
			if wrote == "" {
				t.Fatalf("%s:%d: nothing was written before", d.path, f.line)
			}
			missing := unlike(f.text, wrote, slices.Contains(f.words, "about"))
			if missing == "" {
				continue
			}
			if *update && !strings.Contains("\n"+f.text, "\n…\n") {
				renewed = strings.Replace(renewed, f.text, wrote, 1)
				continue
			}
			t.Errorf("%s:%d: the output does not have %q; it is\n%s", d.path, f.line, missing, wrote)
		}
	}
	if renewed != d.text {
		if err := os.WriteFile(filepath.Join(root, d.path), []byte(renewed), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// number has addresses first: they are no numbers that may be others.
var number = regexp.MustCompile(`[0-9]+(\.[0-9]+){3}:[0-9]+|[0-9][0-9.,]*((ns|µs|ms|s|m|h|d)\b|[0-9.]|(ms|s|m|h)[0-9.]+)*`)

func blanks(s string) string { return strings.Join(strings.Fields(s), " ") }

// unlike is the first line of want that out does not have where it should, "" for none.
func unlike(want, out string, about bool) string {
	clean := func(s string) (lines []string) {
		for line := range strings.Lines(s) {
			if about {
				line = number.ReplaceAllStringFunc(line, func(found string) string {
					if strings.Contains(found, ":") {
						return found
					}
					return "0"
				})
			}
			if line = blanks(line); line != "" {
				lines = append(lines, line)
			}
		}
		return lines
	}
	wants, have := clean(want), clean(out)
	gap := false
	for _, line := range wants {
		switch {
		case line == "…":
			gap = true
			continue
		case gap:
			i := slices.Index(have, line)
			if i < 0 {
				return line
			}
			have = have[i:]
		case len(have) == 0 || have[0] != line:
			return line
		}
		have, gap = have[1:], false
	}
	if len(have) > 0 && !gap {
		return "the end, before " + have[0]
	}
	return ""
}

// TestDocumentLinks looks whether every link leads somewhere. Those to other hosts are
// only looked at for their form.
func TestDocumentLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	docs := documents(t)
	anchors := map[string]map[string]bool{}
	for _, d := range docs {
		anchors[d.path] = headings(d.prose)
	}
	seen := 0
	for _, d := range docs {
		for _, m := range link.FindAllStringSubmatch(regexp.MustCompile("`[^`]*`").ReplaceAllString(d.prose, ""), -1) {
			seen++
			u, err := url.Parse(m[1])
			switch {
			case err != nil:
				t.Errorf("%s: %v", d.path, err)
			case u.Scheme != "":
				if u.Scheme != "https" || u.Host == "" {
					t.Errorf("%s: %s: expected https://HOST/…", d.path, m[1])
				}
			default:
				to := d.path
				if u.Path != "" {
					to = filepath.Join(filepath.Dir(d.path), filepath.FromSlash(u.Path))
				}
				if _, err := os.Stat(filepath.Join(root, to)); err != nil {
					t.Errorf("%s: %s leads nowhere", d.path, m[1])
				} else if u.Fragment != "" && !anchors[to][u.Fragment] {
					t.Errorf("%s: %s: %s has no such heading", d.path, m[1], to)
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d links", seen)
	}
}

// headings are the anchors of a document, as GitHub makes them.
func headings(prose string) map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(prose) {
		title := strings.TrimLeft(line, "#")
		if title == line || !strings.HasPrefix(title, " ") {
			continue
		}
		title = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
		slug := strings.ReplaceAll(title, " ", "-")
		for n, name := 1, slug; ; n++ {
			if !all[name] {
				all[name] = true
				break
			}
			name = slug + "-" + strconv.Itoa(n)
		}
	}
	return all
}

// TestCommandReferenceUpToDate compares docs/reference/cli.md with the command line.
func TestCommandReferenceUpToDate(t *testing.T) {
	want, err := exec.Command("starquake", "man", "--format", "markdown").Output()
	if err != nil {
		t.Fatal(err)
	}
	upToDate(t, "cli.md", want)
}

// TestRESTReferenceUpToDate compares docs/reference/rest.md with the server.
func TestRESTReferenceUpToDate(t *testing.T) { upToDate(t, "rest.md", server.Reference()) }

// TestRESTReferenceTypes looks whether every type that a table of docs/reference/rest.md
// names has a table of its own.
func TestRESTReferenceTypes(t *testing.T) {
	text := string(server.Reference())
	named := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| `+"`[^`]+`"+` \| (?:list of )*([A-Z]\w+)\b`).FindAllStringSubmatch(text, -1) {
		named[m[1]] = true
	}
	for name := range named {
		if !strings.Contains(text, "\n### "+name+"\n\n| field |") {
			t.Errorf("%s is named and has no table", name)
		}
	}
	if !named["ViewRun"] || !named["ViewApproval"] {
		t.Errorf("only %d types are named", len(named))
	}
}

// TestRESTReferenceCalls sends every call of docs/reference/rest.md to a server, as it is
// written there.
func TestRESTReferenceCalls(t *testing.T) {
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	serve := exec.Command("starquake", "serve", "--listen", "127.0.0.1:0", "--data", dir)
	serve.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	serve.Stdout = out
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = serve.Process.Kill(); _ = serve.Wait() }()
	url := ""
	for end := time.Now().Add(patience); url == "" && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		text, _ := os.ReadFile(out.Name())
		if first, _, ok := strings.Cut(string(text), "\n"); ok {
			url = strings.TrimPrefix(first, "API on ")
		}
	}
	// Without a process for each call: there are many.
	shell := func(line, id string) (string, error) {
		file, err := syntax.NewParser().Parse(strings.NewReader(line), "")
		if err != nil {
			return "", err
		}
		method, at, body, header := "", "", "", http.Header{}
		args := file.Stmts[0].Cmd.(*syntax.CallExpr).Args[1:]
		for i := 0; i < len(args); i++ {
			switch word := wordOf(args[i]); word {
			case "-X", "-H", "-d":
				i++
				value := wordOf(args[i])
				switch word {
				case "-X":
					method = value
				case "-d":
					body = strings.ReplaceAll(value, "127.0.0.1:18082", "127.0.0.1:0") // which is free
				default:
					name, v, _ := strings.Cut(value, ": ")
					header.Set(name, v)
				}
			default:
				at = strings.NewReplacer("$URL", url, "$ID", id).Replace(word)
			}
		}
		if method == "" && body != "" {
			method = http.MethodPost
		}
		req, err := http.NewRequest(method, at, strings.NewReader(body))
		if err != nil {
			return "", err
		}
		req.Header = header
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode >= 400 {
			err = fmt.Errorf("status %d", resp.StatusCode)
		}
		return string(answer), err
	}
	keep := `curl -H 'Content-Type: application/json' -d '{"content": "orchestration(name = \"NAME\")\ndef main(): BODY\n", "format": "starlark"}' "$URL/api/v1/orchestrations/import"`
	begin := func(name string) (id string) {
		t.Helper()
		answer, err := shell(`curl -H 'Content-Type: application/json' -d '{"orchestration": "`+name+`"}' "$URL/api/v1/runs"`, "")
		var run struct{ ID string }
		if err == nil {
			err = json.Unmarshal([]byte(answer), &run)
		}
		if err != nil {
			t.Fatalf("%v: %s", err, answer)
		}
		return run.ID
	}
	until := func(id, record string) {
		t.Helper()
		journal := ""
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if journal, _ = shell(`curl "$URL/api/v1/runs/$ID/journal"`, id); strings.Contains(journal, record) {
				return
			}
		}
		t.Fatalf("the run has no %s: %s", record, journal)
	}
	// wait has a step to skip; ask waits for somebody.
	for name, body := range map[string]string{"wait": `step(\"rest\", lambda: sleep(\"1h\"))`, "ask": `approve(\"go on?\")`, "checkout": `sleep(\"1h\")`} {
		if answer, err := shell(strings.NewReplacer("NAME", name, "BODY", body).Replace(keep), ""); err != nil {
			t.Fatalf("%v: %s", err, answer)
		}
	}
	var calls []string
	for _, d := range documents(t) {
		if d.path == filepath.Join("docs", "reference", "rest.md") {
			for _, f := range d.fences {
				calls = append(calls, strings.TrimSpace(f.text))
			}
		}
	}
	// What is made is made first, and removed last, schedules before what they start.
	place := func(call string) int {
		switch {
		case strings.Contains(call, "-X DELETE") && strings.Contains(call, "/schedules/"):
			return 2
		case strings.Contains(call, "-X DELETE"):
			return 3
		case strings.Contains(call, "-X PUT"), strings.Contains(call, "/import"), strings.HasSuffix(call, `/targets"`) && strings.Contains(call, "-d"):
			return 0
		}
		return 1
	}
	slices.SortStableFunc(calls, func(a, b string) int { return place(a) - place(b) })
	if len(calls) < 40 {
		t.Fatalf("only %d calls", len(calls))
	}
	looked := begin("wait") // what only looks at a run looks at this one
	until(looked, `"step.begin"`)
	for _, call := range calls {
		id, steers := looked, strings.Contains(call, "-d '") && (strings.Contains(call, "$ID") || strings.Contains(call, "/orchestration/"))
		switch {
		case strings.Contains(call, "/approve") || strings.Contains(call, "/reject"):
			id = begin("ask")
			until(id, `"kind":"approve"`)
		case steers:
			id = begin("wait")
			until(id, `"step.begin"`)
		}
		if place(call) >= 2 { // a target that a run has cannot be removed
			answer, err := shell(`curl "$URL/api/v1/runs?status=running"`, "")
			var running struct{ Runs []struct{ ID string } }
			if err == nil {
				err = json.Unmarshal([]byte(answer), &running)
			}
			for _, run := range running.Runs {
				if err == nil {
					answer, err = shell(`curl -X POST "$URL/api/v1/runs/$ID/stop"`, run.ID)
				}
				if err != nil && strings.Contains(answer, `"run_ended"`) {
					err = nil // it has come to its end meanwhile
				}
			}
			if err != nil {
				t.Fatalf("%v: %s", err, answer)
			}
		}
		if strings.Contains(call, "/resume") {
			if answer, err := shell(`curl -X POST "$URL/api/v1/runs/$ID/pause"`, id); err != nil {
				t.Fatalf("%v: %s", err, answer)
			}
		}
		answer, err := shell(call, id)
		if err != nil {
			t.Errorf("%s: %v\n%s", call, err, answer)
		}
	}
}

func upToDate(t *testing.T, name string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(root, "docs/reference", name))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("docs/reference/%s is not up to date: make docs writes it", name)
	}
}
