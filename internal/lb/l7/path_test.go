package l7_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/model"
)

// firstLines is a target that answers each request with its first line.
func firstLines(t *testing.T) string {
	t.Helper()
	return listen(t, func(c net.Conn) {
		in := textproto.NewReader(bufio.NewReader(c))
		for {
			first, err := in.ReadLine()
			if err != nil {
				return
			}
			if _, err := in.ReadMIMEHeader(); err != nil {
				return
			}
			if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(first), first); err != nil {
				return
			}
		}
	})
}

// oddTargets are request targets that somebody might clean up.
func oddTargets() []string {
	return []string{
		"/", "//", "///", "//a//b", "//a.example/b", "//a@b:80/c", "//[::1]/a", "/a//b/", "/./a/../b/..", "//../a", "/a%2fb%2F%7e%41", "//a%2fb%2F%7e%41",
		"/a;b=c", "//a;b,c", "/\"^`{|}<>\\", "//\"^`{|}<>\\", "/a#b", "//a#b", "/\xc3\xa9\xff", "//\xc3\xa9\xff", "/a:b", "//a:b", "/a?", "//a?", "/a??b?", "//a??b",
		"/a?b=//c/../%2f+\"", "//a?b=//c/../%2f+\"", "/http://a/b", "//http://a/b",
	}
}

// TestPathOverHTTP1 sends targets of requests on and off the express way: the target gets them byte for byte.
func TestPathOverHTTP1(t *testing.T) {
	t.Parallel()
	for way, connection := range map[string]string{"express": "", "other": "Connection: x\r\n"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.target(r.group("app", nil), firstLines(t))
			c := r.dial()
			in := bufio.NewReader(c)
			for _, target := range append(oddTargets(), "/a%zz%", "//a%zz%", "//a%") { // the first one makes the connection that the others take
				if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", target, connection); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := body(t, resp), "GET "+target+" HTTP/1.1"; got != want {
					t.Errorf("the target gets %q, want %q", got, want)
				}
			}
		})
	}
	r := newRig(t)
	r.target(r.group("app", nil), firstLines(t))
	if got := r.raw("GET http://a//b/../%2fc? HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); !strings.HasSuffix(got, "\r\n\r\nGET //b/../%2fc? HTTP/1.1") {
		t.Errorf("an absolute one: got %q", got)
	}
}

// TestPathOverHTTP2 does the same over HTTP/2, to targets of both versions.
func TestPathOverHTTP2(t *testing.T) {
	t.Parallel()
	two := speaks(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s HTTP/1.1", req.Method, req.RequestURI)
	})
	for version, address := range map[string]string{"HTTP1": firstLines(t), "HTTP2": two} {
		for _, host := range []string{"a.example", "a:8080", "[::1]:81", "[a]:81", "[::1]", ""} {
			t.Run(version+" "+host, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				r.target(r.group("app", func(g *model.TargetGroup) { g.ProtocolVersion = version }), address)
				f := r.frames(t)
				for i, target := range oddTargets() {
					id := uint32(2*i + 1)
					f.ask(id, ":method", "GET", ":scheme", "http", ":authority", host, ":path", target)
					if got, want := f.text(id), "GET "+target+" HTTP/1.1"; got != want {
						t.Errorf("the target gets %q, want %q", got, want)
					}
				}
			})
		}
	}
}
