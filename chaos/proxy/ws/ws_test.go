package ws

import (
	"bytes"
	"compress/flate"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestHead(t *testing.T) {
	for _, h := range []Head{
		{Op: Text, Fin: true},
		{Op: Binary, Reserved: Compressed, Length: 125},
		{Op: Continuation, Fin: true, Masked: true, Key: [4]byte{1, 2, 3, 4}, Length: 126},
		{Op: Text, Length: 65535},
		{Op: Text, Fin: true, Masked: true, Length: 65536},
		{Op: Ping, Fin: true, Length: 125},
	} {
		b := h.Append(nil)
		for n := range len(b) {
			if _, size, err := ParseHead(b[:n]); size != 0 || err != nil {
				t.Errorf("%+v cut to %d bytes: %d, %v", h, n, size, err)
			}
		}
		got, size, err := ParseHead(append(b, "rest"...))
		if got != h || size != len(b) || err != nil {
			t.Errorf("got %+v, %d, %v; want %+v", got, size, err, h)
		}
	}
	for _, bad := range []string{
		"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", // a length with the highest bit
		"\x08\x00",             // a control frame in fragments
		"\x89\x7e\x00\x7e1234", // and one that is too long
	} {
		if h, n, err := ParseHead([]byte(bad)); err == nil {
			t.Errorf("%x is taken for %+v, %d bytes", bad, h, n)
		}
	}
}

func TestMask(t *testing.T) {
	key := [4]byte{0x11, 0x22, 0x33, 0x44}
	text := bytes.Repeat([]byte("some text"), 9)
	for cut := range 20 {
		b := bytes.Clone(text)
		Mask(key, 0, b[:cut])
		Mask(key, int64(cut), b[cut:])
		for i := range b {
			if b[i] != text[i]^key[i%4] {
				t.Fatalf("cut at %d: byte %d is wrong", cut, i)
			}
		}
	}
}

func TestClose(t *testing.T) {
	for _, reason := range []string{"", "enough", strings.Repeat("ä", 100)} {
		for _, masked := range []bool{false, true} {
			b := AppendClose(nil, 1008, reason, masked, [4]byte{9, 8, 7, 6})
			h, n, err := ParseHead(b)
			if err != nil || h.Op != Close || !h.Fin || h.Masked != masked || int(h.Length) != len(b)-n {
				t.Fatalf("got %+v, %v", h, err)
			}
			payload := b[n:]
			if masked {
				Mask(h.Key, 0, payload)
			}
			text := string(payload[2:])
			if payload[0] != 1008>>8 || payload[1] != 1008&0xff || !strings.HasPrefix(reason, text) || !utf8.ValidString(text) || len(text) < min(len(reason), 122) {
				t.Errorf("got payload %q", payload)
			}
		}
	}
}

func TestExtensions(t *testing.T) {
	for _, test := range []struct{ offer, want string }{
		{"permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
		{"permessage-deflate; client_max_window_bits, permessage-deflate; Server_No_Context_Takeover",
			"permessage-deflate; client_max_window_bits; server_no_context_takeover; client_no_context_takeover, " +
				"permessage-deflate; Server_No_Context_Takeover; client_no_context_takeover"},
		{`x-other; a="q,\";"; b, permessage-deflate`, "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
		{"x-other", ""},
		{" , ;", ""},
	} {
		if got := Offer([]string{test.offer}); got != test.want {
			t.Errorf("Offer(%q) is %q, want %q", test.offer, got, test.want)
		}
	}
	if got, want := Accept([]string{"permessage-deflate; server_no_context_takeover", "x"}), "permessage-deflate; server_no_context_takeover; client_no_context_takeover, x"; got != want {
		t.Errorf("Accept is %q, want %q", got, want)
	}
	for value, want := range map[string]Agreement{
		"":                   {},
		"permessage-deflate": {Deflate: true},
		"permessage-deflate; server_no_context_takeover; client_max_window_bits=10": {Deflate: true, ServerForgets: true},
		"permessage-deflate; client_no_context_takeover":                            {Deflate: true, ClientForgets: true},
		"x-webkit-deflate-frame":                                                    {Opaque: true},
	} {
		if got := Agreed([]string{value}); got != want {
			t.Errorf("Agreed(%q) is %+v, want %+v", value, got, want)
		}
	}
}

// deflated is a message as permessage-deflate sends it.
func deflated(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))
}

func TestInflate(t *testing.T) {
	text := bytes.Repeat([]byte("hello "), 1000)
	packed := deflated(t, text)
	if got, err := Inflate(packed, len(text)); err != nil || !bytes.Equal(got, text) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if _, err := Inflate(packed, len(text)-1); err != ErrTooLong {
		t.Errorf("one that is too long: %v", err)
	}
	if _, err := Inflate([]byte("\xff\xff\xff"), 100); err == nil {
		t.Error("garbage is read")
	}
}

// FuzzScanner says that a Scanner finds the same frames however they are cut, and that
// what it takes is all there was.
func FuzzScanner(f *testing.F) {
	f.Add([]byte("\x81\x05hello\x89\x00\x01\x01a\x80\x00"), uint8(3))
	f.Add(AppendClose(nil, 1000, "bye", true, [4]byte{1, 2, 3, 4}), uint8(1))
	f.Add(Head{Op: Binary, Masked: true, Length: 70000}.Append(nil), uint8(2))
	f.Add([]byte("\x82\x7f\xff\x00\x00\x00\x00\x00\x00\x00"), uint8(4))
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		type frame struct {
			head  Head
			bytes int64
		}
		read := func(size int) (frames []frame, taken int, failed bool) {
			var s Scanner
			for from := 0; from < len(b); from += size {
				part := b[from:min(len(b), from+size)]
				for more := true; more; {
					e, n, err := s.Next(part)
					if err != nil {
						return frames, 0, true
					}
					taken += n
					part = part[n:]
					switch e {
					case Began:
						if h, _, err := ParseHead(s.Raw()); err != nil || h != s.Head {
							t.Fatalf("the head is %+v and reads as %+v, %v", s.Head, h, err)
						}
					case Ended:
						frames = append(frames, frame{s.Head, s.Offset})
					}
					more = len(part) > 0 || e == Began
				}
			}
			return frames, taken, false
		}
		whole, taken, failed := read(len(b) + 1)
		if !failed && taken != len(b) {
			t.Fatalf("%d of %d bytes were taken", taken, len(b))
		}
		for _, f := range whole {
			if f.bytes != f.head.Length {
				t.Fatalf("a frame of %d bytes ended after %d", f.head.Length, f.bytes)
			}
		}
		parts, _, failedToo := read(int(step) + 1)
		if failed != failedToo || len(parts) != len(whole) {
			t.Fatalf("cut into %d: %d frames (%t), whole: %d (%t)", int(step)+1, len(parts), failedToo, len(whole), failed)
		}
		var s Scanner
		if err := s.Skip(b); (err != nil) != failed {
			t.Fatalf("Skip: %v", err)
		}
	})
}

// FuzzExtensions says that what is offered is agreed on as wished, whatever stood there.
func FuzzExtensions(f *testing.F) {
	f.Add(`permessage-deflate; a="x,;\"", x; y=1`)
	f.Add("permessage-deflate,permessage-deflate;client_no_context_takeover")
	f.Fuzz(func(t *testing.T, value string) {
		offer := Offer([]string{value})
		for _, ext := range extensions([]string{offer}) {
			if ext.name != deflate || !ext.has(serverForgets) || !ext.has(clientForgets) {
				// An open quote swallows what comes after it: then it is no parameter to anyone.
				if !strings.Contains(value, `"`) {
					t.Errorf("%q is offered as %q", value, offer)
				}
			}
		}
		Agreed([]string{Accept([]string{value})})
	})
}
