package chaos

import "testing"

func TestCheckLoop(t *testing.T) {
	for _, tt := range []struct {
		listen, upstream string
		loops            bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "localhost:80", true},
		{"localhost:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "0.0.0.0:80", true},
		{"0.0.0.0:80", "127.0.0.1:80", true},
		{"0.0.0.0:80", "localhost:80", true},
		{":80", "127.0.0.2:80", true},
		{":80", "[::1]:80", true},
		{"[::]:80", "127.0.0.1:80", true},
		{"[::]:80", "localhost:80", true},
		{"127.0.0.1:80", ":80", true},
		{"[::1]:80", "[::1]:80", true},
		{"127.0.0.1:80", "[::ffff:127.0.0.1]:80", true},
		{"10.0.0.1:80", "10.0.0.1:80", true},
		{"shop.test:80", "Shop.test:80", true},

		{"127.0.0.1:80", "127.0.0.1:81", false},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{"127.0.0.1:80", "127.0.0.2:80", false},
		{"127.0.0.1:80", "[::1]:80", false},
		{"0.0.0.0:80", "[::1]:80", false},
		{":80", "10.0.0.1:80", false}, // whose address that is is not asked
		{"10.0.0.1:80", "localhost:80", false},
		{"127.0.0.1:80", "shop.test:80", false},
		{"nonsense", "nonsense", false},
	} {
		if err := CheckLoop(tt.listen, tt.upstream); (err != nil) != tt.loops {
			t.Errorf("from %s to %s: %v", tt.listen, tt.upstream, err)
		}
		if Reaches(tt.upstream, tt.listen) != tt.loops {
			t.Errorf("who connects to %s comes to %s: %v", tt.upstream, tt.listen, !tt.loops)
		}
	}
}
