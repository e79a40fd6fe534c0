package accesslog_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/lb/accesslog"
)

// documented is the entry of the first example in "Access log entries".
func documented() accesslog.Entry {
	return accesslog.Entry{
		Type: "http", Time: time.Date(2018, 7, 2, 22, 23, 0, 186641000, time.UTC),
		LoadBalancer: "app/my-loadbalancer/50dc6c495c0c9188",
		Client:       netip.MustParseAddrPort("192.168.131.39:2817"), Target: "10.0.0.1:80",
		Processing: time.Millisecond, Code: 200, TargetCode: 200, Received: 34, Sent: 366,
		Method: "GET", URL: accesslog.URL{Scheme: "http", Host: "www.example.com", Port: 80, Path: "/"}, Protocol: "HTTP/1.1", UserAgent: "curl/7.46.0",
		Group: "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067",
		Trace: []byte("Root=1-58337262-36d228ad5d99923122bbe354"), Created: time.Date(2018, 7, 2, 22, 22, 48, 364000000, time.UTC),
		Actions: "forward", Targets: "10.0.0.1:80", TargetCodes: "200", Connection: "TID_12345678901234567890123456789012",
	}
}

func TestAppend(t *testing.T) {
	t.Parallel()
	hostile := documented()
	hostile.UserAgent = "a\"b\\c\nd\xff"
	unread := accesslog.Entry{
		Type: "http", Time: time.Unix(0, 0), Created: time.Unix(0, 0), LoadBalancer: "app/a/b", Request: -1, Processing: -1, Response: -1,
		Code: 400, Priority: -1, Class: "Severe", Reason: "BadMethod",
	}
	line := documented()
	for _, tt := range []struct {
		name  string
		entry accesslog.Entry
		want  string
	}{
		{"documented", line, `http 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" - - arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337262-36d228ad5d99923122bbe354" "-" "-" 0 2018-07-02T22:22:48.364000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_12345678901234567890123456789012 "-" "-" "-"` + "\n"},
		{"unread", unread, `http 1970-01-01T00:00:00.000000Z app/a/b - - -1 -1 -1 400 - 0 0 "- - - " "-" - - - "-" "-" "-" - 1970-01-01T00:00:00.000000Z "-" "-" "-" "-" "-" "Severe" "BadMethod" - "-" "-" "-"` + "\n"},
	} {
		if got := string(tt.entry.Append(nil)); got != tt.want {
			t.Errorf("%s:\n got %s want %s", tt.name, got, tt.want)
		}
	}
	if got := string(hostile.Append(nil)); !strings.Contains(got, `"a\x22b\x5cc\x0ad\xff"`) || strings.Count(got, "\n") != 1 {
		t.Errorf("a hostile user agent gets out of its field: %s", got)
	}
}

func FuzzAppend(f *testing.F) {
	f.Add("GET", "/", "agent")
	f.Add("\"", "\n", "\\")
	f.Fuzz(func(t *testing.T, method, path, agent string) {
		e := documented()
		e.Method, e.UserAgent = method, agent
		e.URL.Host, e.URL.Path, e.URL.Query, e.URL.Asked = path, path, path, true
		line := string(e.Append(nil))
		if strings.Count(line, "\n") != 1 || strings.Count(line, `"`) != 30 {
			t.Errorf("a client gets out of its field: %q", line)
		}
	})
}

func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	f, err := accesslog.Open(path, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 8, 500
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				e := documented()
				f.Log(&e)
			}
		})
	}
	wg.Wait()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	e := documented()
	want := string(e.Append(nil))
	got := read(t, path)
	if got != strings.Repeat(want, writers*each) {
		t.Errorf("the file has %d bytes, want %d lines of %d", len(got), writers*each, len(want))
	}
	if f.Dropped() != 0 {
		t.Errorf("%d entries were dropped", f.Dropped())
	}
	if f.Log(&e) || f.Dropped() != 1 {
		t.Error("a closed file takes an entry")
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	e := documented()
	line := string(e.Append(nil))
	for range 4 { // each time a line more than the file may have
		f, err := accesslog.Open(path, int64(len(line)), 2)
		if err != nil {
			t.Fatal(err)
		}
		f.Log(&e)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{path: true, path + ".1": true, path + ".2": true, path + ".3": false} {
		_, err := os.Stat(name)
		if (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", filepath.Base(name), err == nil, want)
		}
		if want && read(t, name) != line {
			t.Errorf("%s has not one line", filepath.Base(name))
		}
	}
}

// TestReopen renames the file as logrotate does; what is logged later is in a new one.
func TestReopen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "access.log")
	f, err := accesslog.Open(path, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	f.Reopen()
	e := documented()
	f.Log(&e)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path+".old") + read(t, path); got != string(e.Append(nil)) {
		t.Errorf("got %q in both files", got)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(b)
}
