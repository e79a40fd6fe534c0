package l7_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"
)

// TestExpressChunks has a target answer in chunks, on the express way and off it: the client must see the same, byte by
// byte but for the order of fields, and for how what came in pieces is divided into chunks.
func TestExpressChunks(t *testing.T) {
	t.Parallel()
	const coded = "Transfer-Encoding: chunked\r\n"
	for name, test := range map[string]struct{ fields, body string }{
		"one chunk":             {coded, "5\r\nhello\r\n0\r\n\r\n"},
		"no content":            {coded, "0\r\n\r\n"},
		"several":               {coded, "5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n"},
		"a long one":            {coded, "20000\r\n" + strings.Repeat("0123456789abcdef", 0x2000) + "\r\n0\r\n\r\n"},
		"capitals, extensions":  {"transfer-encoding: CHUNKED\r\n", "A;x=y\r\n0123456789\r\n0\r\n\r\n"},
		"trailers":              {coded + "Trailer: X-Sum\r\n", "1\r\na\r\n0\r\nX-Sum: 1\r\nContent-Length: 7\r\n\r\n"},
		"a length as well":      {coded + "Content-Length: 5\r\n", "5\r\nhello\r\n0\r\n\r\n"},
		"another coding":        {"Transfer-Encoding: gzip, chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"},
		"twice":                 {coded + coded, "5\r\nhello\r\n0\r\n\r\n"},
		"malformed":             {coded, "5\r\nhello\r\nxyz\r\n"},
		"malformed at once":     {coded, "-1\r\n"},
		"line ends are missing": {coded, "5\nhello\n0\n\n"},
		"cut in a chunk":        {coded, "5\r\nhe"},
		"cut between chunks":    {coded, "5\r\nhello\r\n"},
		"more after the end":    {coded, "5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.target(r.group("app", nil), scripted(t, "HTTP/1.1 200 OK\r\nX: y\r\n"+test.fields+"\r\n"+test.body))
			see := func(connection string) string {
				r.raw("GET /prime HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") // a connection to the target is kept
				got := r.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: " + connection + "\r\n\r\n")
				head, body, _ := strings.Cut(got, "\r\n\r\n")
				var fields []string
				for line := range strings.SplitSeq(head, "\r\n") {
					if !strings.HasPrefix(line, "Date:") {
						fields = append(fields, line+"\n")
					}
				}
				if len(test.body) > 1<<10 {
					content, err := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(body)))
					body = fmt.Sprintf("%s %v", content, err)
				}
				return sorted(strings.Join(fields, "")) + "\n" + body
			}
			if plain, other := see("close"), see("close, none"); plain != other {
				t.Errorf("on the express way the client sees\n%q\nand off it\n%q", short(plain), short(other))
			}
		})
	}
}

func short(s string) string { return s[:min(len(s), 500)] }

// scripted is a target that answers /prime with a page, and all else with these bytes, after which it says no more.
func scripted(t testing.TB, answer string) string {
	return listen(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if req.URL.Path == "/prime" {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				continue
			}
			_, _ = io.WriteString(c, answer)
			_ = c.(*net.TCPConn).CloseWrite()
		}
	})
}
