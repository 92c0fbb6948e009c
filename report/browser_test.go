package report_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"starquake/report"
)

// The browser test wants the path of a Chromium in STARQUAKE_CHROMIUM and that of axe.min.js
// in STARQUAKE_AXE: `make browser` installs both. With STARQUAKE_SHOTS, a folder, it leaves
// pictures there to be looked at.

// TestInBrowser opens reports as people do: on a phone and on a desktop, in the light and
// in the dark. Nothing may be asked of any server, said on the console, inaccessible, or
// wider than the screen; and each must print.
func TestInBrowser(t *testing.T) {
	chromium, axePath := os.Getenv("STARQUAKE_CHROMIUM"), os.Getenv("STARQUAKE_AXE")
	if chromium == "" || axePath == "" {
		t.Skip("make browser runs this, with a browser")
	}
	axe, err := os.ReadFile(axePath)
	if err != nil {
		t.Fatal(err)
	}
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true),
	)...)
	defer cancel()
	browser, cancel := chromedp.NewContext(allocator)
	defer cancel()
	defer chromedp.Cancel(browser) // closes it and waits: one that is killed has children that still write
	if err := chromedp.Run(browser); err != nil {
		t.Fatal(err)
	}
	screens := []screen{{"phone", 390, 844, "light"}, {"desktop-dark", 1200, 900, "dark"}, {"phone-dark", 390, 844, "dark"}, {"desktop", 1200, 900, "light"}}
	for name, screens := range map[string][]screen{
		"shop": screens, "hostile": screens[:2], "turns": screens[:1], "unclean": screens[2:3], "paused": screens[3:],
	} {
		for _, screen := range screens {
			t.Run(name+"/"+screen.name, func(t *testing.T) {
				look := open(t, browser, name)
				must(t, look.ctx,
					emulation.SetDeviceMetricsOverride(screen.width, screen.height, 1, false),
					emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: screen.scheme}}),
					chromedp.Navigate(look.url),
				)
				var width int64
				must(t, look.ctx, chromedp.Evaluate(`document.documentElement.scrollWidth`, &width))
				if width > screen.width {
					var wide []string
					must(t, look.ctx, chromedp.Evaluate(fmt.Sprintf(`[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > %d + 0.5).slice(0, 5).map(e => e.outerHTML.slice(0, 200))`, screen.width), &wide))
					t.Errorf("the page is %d wide on a screen of %d: %s", width, screen.width, strings.Join(wide, "\n"))
				}
				accessible(t, look.ctx, string(axe))
				var pdf []byte
				must(t, look.ctx, chromedp.ActionFunc(func(ctx context.Context) (err error) {
					pdf, _, err = page.PrintToPDF().WithPreferCSSPageSize(true).Do(ctx)
					return err
				}))
				if len(pdf) < 10_000 || string(pdf[:5]) != "%PDF-" {
					t.Errorf("printed, it has %d bytes", len(pdf))
				}
				look.quiet(t)
				look.shoot(t, name+"-"+screen.name, screen.width, pdf)
			})
		}
	}
}

// screen is what a page is looked at on.
type screen struct {
	name          string
	width, height int64
	scheme        string
}

// looking is a page that is open, and what it did that it must not.
type looking struct {
	ctx context.Context
	url string

	mu  sync.Mutex
	bad []string
}

func (l *looking) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bad = append(l.bad, fmt.Sprintf(format, args...))
}

func (l *looking) quiet(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, what := range l.bad {
		t.Error(what)
	}
}

// open serves a report under its own policy, and opens a tab for it.
func open(t *testing.T, browser context.Context, name string) *looking {
	t.Helper()
	format, err := report.Named("html")
	if err != nil {
		t.Fatal(err)
	}
	l := &looking{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/report.html" {
			l.note("the page asks for %s", r.URL)
		}
		w.Header().Set("Content-Type", format.MediaType)
		w.Header().Set("Content-Security-Policy", report.ContentSecurityPolicy())
		if err := format.Write(w, sample(name)); err != nil {
			l.note("%v", err)
		}
	}))
	t.Cleanup(server.Close)
	l.url = server.URL + "/report.html"
	ctx, cancel := context.WithTimeout(browser, 4*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	l.ctx = ctx
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			if e.Request.URL != l.url && !strings.HasPrefix(e.Request.URL, "data:") {
				l.note("the page asks for %s", e.Request.URL)
			}
		case *runtime.EventConsoleAPICalled:
			l.note("console.%s", e.Type)
		case *runtime.EventExceptionThrown:
			l.note("exception: %s", e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			l.note("console: %s %s", e.Entry.Level, e.Entry.Text)
		}
	})
	must(t, ctx, network.Enable(), log.Enable(), runtime.Enable(), page.Enable())
	return l
}

func must(t *testing.T, ctx context.Context, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// accessible runs axe-core, which knows the rules that can be checked without a person.
func accessible(t *testing.T, ctx context.Context, axe string) {
	t.Helper()
	var found string
	must(t, ctx, chromedp.Evaluate(axe+";undefined", nil), chromedp.Evaluate(
		`axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations.map(v => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + " " + n.failureSummary)}))))`,
		&found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	var violations []struct {
		ID, Impact, Help string
		Nodes            []string
	}
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		t.Errorf("axe: %s (%s): %s\n  %s", v.ID, v.Impact, v.Help, strings.Join(v.Nodes, "\n  "))
	}
}

// shoot leaves pictures of the whole page and what it prints.
func (l *looking) shoot(t *testing.T, name string, width int64, pdf []byte) {
	dir := os.Getenv("STARQUAKE_SHOTS")
	if dir == "" {
		return
	}
	var height int64
	must(t, l.ctx, chromedp.Evaluate(`document.documentElement.scrollHeight`, &height))
	const piece = 1500
	for n := int64(0); n*piece < height && n < 8; n++ {
		var png []byte
		must(t, l.ctx, chromedp.ActionFunc(func(ctx context.Context) (err error) {
			png, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).WithClip(&page.Viewport{
				Y: float64(n * piece), Width: float64(width), Height: float64(min(piece, height-n*piece)), Scale: 1,
			}).Do(ctx)
			return err
		}))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d.png", name, n)), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, name+".pdf"), pdf, 0o644); err != nil {
		t.Fatal(err)
	}
}
