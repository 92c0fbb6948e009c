// Command picture makes the picture of a report that the README shows: `make picture`.
//
//	go run ./internal/picture report.html docs/img/report.png
//
// It needs chromium. The picture has the top of the page, the timeline and the first
// chart, in few colours, so that it is small.
package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

const (
	width   = 1120
	largest = 200 << 10 // bytes: who reads the README loads it
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "picture: expected REPORT.html PICTURE.png")
		os.Exit(2)
	}
	if err := paint(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

// paint writes the picture of a report.
func paint(report, to string) error {
	path, err := filepath.Abs(report)
	if err != nil {
		return err
	}
	parts, err := shoot("file://" + path)
	if err != nil {
		return err
	}
	out, err := small(below(parts))
	if err != nil {
		return err
	}
	if len(out) > largest {
		return fmt.Errorf("%s would have %d bytes, and may have %d", to, len(out), largest)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, out, 0o644)
}

// between is a part of the page: from the top of one element to the bottom of another.
type between struct{ top, bottom string }

// shoot opens the page and takes pictures of its parts.
func shoot(url string) ([]image.Image, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.WSURLReadTimeout(time.Minute))...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	if err := chromedp.Run(ctx, emulation.SetDeviceMetricsOverride(width, 1000, 1, false), chromedp.Navigate(url)); err != nil {
		return nil, err
	}
	var out []image.Image
	for _, part := range []between{{"body", ".cards"}, {"#timeline", "#charts + figure"}} {
		var at struct{ Top, Bottom float64 }
		script := fmt.Sprintf(`({Top: document.querySelector(%q).getBoundingClientRect().top, Bottom: document.querySelector(%q).getBoundingClientRect().bottom})`, part.top, part.bottom)
		var shot []byte
		err := chromedp.Run(ctx, chromedp.Evaluate(script, &at), chromedp.ActionFunc(func(ctx context.Context) (err error) {
			const room = 20
			shot, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).
				WithClip(&page.Viewport{Y: max(at.Top-room, 0), Width: width, Height: at.Bottom - at.Top + 2*room, Scale: 1}).Do(ctx)
			return err
		}))
		if err != nil {
			return nil, err
		}
		img, err := png.Decode(bytes.NewReader(shot))
		if err != nil {
			return nil, err
		}
		out = append(out, img)
	}
	return out, nil
}

// below puts pictures below each other.
func below(parts []image.Image) image.Image {
	height := 0
	for _, p := range parts {
		height += p.Bounds().Dy()
	}
	all := image.NewRGBA(image.Rect(0, 0, width, height))
	y := 0
	for _, p := range parts {
		draw.Draw(all, image.Rect(0, y, width, y+p.Bounds().Dy()), p, p.Bounds().Min, draw.Src)
		y += p.Bounds().Dy()
	}
	return all
}

// small is a PNG of the picture's most frequent colours.
func small(img image.Image) ([]byte, error) {
	count := map[color.RGBA]int{}
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			count[color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)]++
		}
	}
	var colors []color.RGBA
	for c := range count {
		colors = append(colors, c)
	}
	slices.SortFunc(colors, func(a, b color.RGBA) int { return count[b] - count[a] })
	var palette color.Palette
	for _, c := range colors[:min(len(colors), 256)] {
		palette = append(palette, c)
	}
	few := image.NewPaletted(b, palette)
	draw.Draw(few, b, img, b.Min, draw.Src)
	var out bytes.Buffer
	err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, few)
	return out.Bytes(), err
}
