package l7_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMemory lets connections of all kinds follow each other: what one leaves in memory that the next one uses must not
// show.
func TestMemory(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.target(r.group("app", nil), echo(t))
	kinds := []string{
		"GET /plain HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\nX-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678\r\nX-Forwarded-For: 1.2.3.4\r\nConnection: close\r\n\r\n",
		"GET /bare HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n",
		"GET /first HTTP/1.1\r\nHost: c\r\n\r\nGET /second HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n",
		"GET /general HTTP/1.1\r\nHost: e\r\nX-General: 1\r\nConnection: close, none\r\n\r\n",
		"POST /body HTTP/1.1\r\nHost: f\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody",
		"POST /chunks HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
		"GET /more HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET /old HTTP/1.0\r\nHost: i\r\n\r\n",
		"no request\r\n\r\n",
	}
	changing := regexp.MustCompile(`1-[0-9a-f]{8}-[0-9a-f]{24}|Date: [^\r]*`)
	ask := func(request string) string { return changing.ReplaceAllString(sorted(r.raw(request)), "X") }
	want := make([]string, len(kinds))
	for i, k := range kinds {
		ask(k) // there is a connection to the target from now on
		if want[i] = ask(k); want[i] == "" {
			t.Fatalf("%q is not answered", k)
		}
	}
	for i, before := range kinds {
		for j, k := range kinds {
			half := r.dial() // one that leaves in the middle of a head
			_, _ = io.WriteString(half, "GET /half HTTP/1.1\r\nX-Half: 1\r\n")
			ask(before)
			_ = half.Close()
			if got := ask(k); got != want[j] {
				t.Errorf("after %q, %q is answered with\n%q\nand alone with\n%q", kinds[i], k, got, want[j])
			}
		}
	}
}

// echo is a target that says what it was asked.
func echo(t testing.TB) string {
	return listen(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return
			}
			text := fmt.Sprintf("%s %s %s %v %q", req.Method, req.URL, req.Host, req.Header, body)
			if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Answer: 1\r\n\r\n%s", len(text), text); err != nil {
				return
			}
		}
	})
}

// sorted brings the lines of a text into one order: fields have none.
func sorted(text string) string {
	lines := strings.SplitAfter(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}
