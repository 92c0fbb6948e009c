package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestPackages looks whether what packages bring fits together: the unit's commands are
// those of the program where the package puts it, and the configuration that they name is
// brought, and good.
func TestPackages(t *testing.T) {
	var release struct {
		NFPMs []struct {
			Bindir   string
			Contents []struct{ Src, Dst, Type string }
		} `yaml:"nfpms"`
	}
	text, err := os.ReadFile(filepath.Join(root, ".goreleaser.yaml"))
	if err == nil {
		err = yaml.Unmarshal(text, &release)
	}
	if err != nil || len(release.NFPMs) != 1 {
		t.Fatalf("%d packages, expected one: %v", len(release.NFPMs), err)
	}
	brought := map[string]string{}
	made := madeByShare(t)
	for _, c := range release.NFPMs[0].Contents {
		brought[c.Dst] = c.Src
		if _, err := os.Stat(filepath.Join(root, c.Src)); !made[c.Src] && (err != nil || strings.HasPrefix(c.Src, "bin/")) {
			t.Errorf("%s is neither here nor made by make share", c.Src)
		}
		if strings.HasPrefix(c.Dst, "/etc/") && c.Type != "config|noreplace" {
			t.Errorf("%s: an update would write over what somebody changed", c.Dst)
		}
	}
	unit, err := os.ReadFile(filepath.Join(root, brought["/usr/lib/systemd/system/starquake.service"]))
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^Exec\w+=(.*)`).FindAllStringSubmatch(string(unit), -1)
	if len(commands) != 2 {
		t.Errorf("the unit has %d commands", len(commands))
	}
	for _, m := range commands {
		words := strings.Fields(m[1])
		// Without a folder systemd looks in /usr/local/bin and /usr/bin.
		if words[0] != "starquake" || release.NFPMs[0].Bindir != "/usr/bin" {
			t.Errorf("%s: the package puts the program into %s", m[0], release.NFPMs[0].Bindir)
		}
		if err := checkCommand(words[1:]); err != nil {
			t.Error(err)
		}
		_, config, _ := strings.Cut(m[1], "--config ")
		config, _, _ = strings.Cut(config, " ")
		if brought[config] == "" {
			t.Errorf("%s: nothing brings the file %q", m[0], config)
			continue
		}
		check := exec.Command("starquake", "serve", "--check", "--config", filepath.Join(root, brought[config]), "--data", t.TempDir())
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// madeByShare are the files that make share makes.
func madeByShare(t *testing.T) map[string]bool {
	t.Helper()
	out, err := exec.Command("make", "--no-print-directory", "-C", root, "--dry-run", "share").Output()
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{}
	for _, m := range regexp.MustCompile(`> (bin/share/\S+)`).FindAllStringSubmatch(string(out), -1) {
		for _, shell := range []string{"bash", "fish"} {
			made[strings.ReplaceAll(m[1], "$shell", shell)] = true
		}
	}
	return made
}
