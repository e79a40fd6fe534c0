package l7_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/lb/accesslog"
	"github.com/maitred/maitred/internal/model"
)

func TestRules(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	r := newRig(t)
	g := r.group("app", nil)
	r.target(g, rec.addr)
	r.rules = []*model.Rule{
		{
			ARN: "rule1", Listener: listenerARN, Priority: 1, Conditions: []model.Condition{{Field: model.FieldPath, Values: []string{"/old/*"}}},
			Actions: []model.Action{{Type: model.ActionRedirect, Redirect: &model.Redirect{
				Protocol: "HTTPS", Host: "#{host}", Port: "443", Path: "/#{path}", Query: "#{query}", Status: 301,
			}}},
		},
		{
			ARN: "rule2", Listener: listenerARN, Priority: 2, Conditions: []model.Condition{{Field: model.FieldPath, Values: []string{"/fixed"}}},
			Actions: []model.Action{{Type: model.ActionFixed, Fixed: &model.FixedResponse{Status: 403, ContentType: "application/json", Body: "{}"}}},
		},
		{
			ARN: "rule3", Listener: listenerARN, Priority: 3, Conditions: []model.Condition{{Field: model.FieldHeader, Name: "X-Version", Values: []string{"2*"}}},
			Actions:    []model.Action{forwardTo(g)},
			Transforms: []model.Transform{{Type: "url-rewrite", Regex: "^/api/(.*)", Replace: "/v2/$1"}},
		},
	}
	r.compile()
	resp, text := r.get("/old/b?c=d")
	if host := resp.Header.Get("Location"); resp.StatusCode != http.StatusMovedPermanently || host != "https://127.0.0.1:443/old/b?c=d" || !strings.Contains(text, "301 Moved Permanently") {
		t.Errorf("a redirect: got %d %q %q", resp.StatusCode, host, text)
	}
	if resp, text := r.get("/fixed"); resp.StatusCode != http.StatusForbidden || text != "{}" || resp.Header.Get("Server") != "awselb/2.0" ||
		!strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		t.Errorf("a fixed response: got %d %q %v", resp.StatusCode, text, resp.Header)
	}
	r.raw("GET /api/x?y HTTP/1.1\r\nHost: a\r\nX-Version: 2.1\r\nConnection: close\r\n\r\n")
	if got := rec.bytes(); !strings.HasPrefix(got, "GET /v2/x?y HTTP/1.1\r\n") {
		t.Errorf("a transform: the target got %q", got)
	}
	r.entry(3) // of three connections, in the order of their ends
	entries := map[string]accesslog.Entry{}
	for i := range 3 {
		e := r.entry(i + 1)
		entries[e.Actions] = e
	}
	for _, want := range []struct {
		actions  string
		priority int
		redirect string
		uri      string
	}{{"redirect", 1, "https://127.0.0.1:443/old/b?c=d", ""}, {"fixed-response", 2, "", ""}, {"forward", 3, "", "/v2/x?y"}} {
		if e := entries[want.actions]; e.Actions != want.actions || e.Priority != want.priority || e.Redirect != want.redirect || e.URI != want.uri {
			t.Errorf("the access log says %s", e.Append(nil))
		}
	}
}

// TestHeaders looks at what a target gets of a client's header.
func TestHeaders(t *testing.T) {
	t.Parallel()
	const send = "GET / HTTP/1.1\r\nHost: www.example.com:80\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n" +
		"Proxy-Authorization: x\r\nX-Forwarded-For: 127.0.0.4\r\nX-Forwarded-Proto: gopher\r\nX-Forwarded-Port: 1\r\nx_under: 1\r\n" +
		"X-Amzn-Oidc-Data: forged\r\nX-Amzn-Tls-Version: forged\r\nX-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678\r\n\r\n"
	for _, tt := range []struct {
		name    string
		options []option
		want    []string
		never   []string
	}{
		{
			"defaults", nil,
			[]string{"Host: www.example.com", "X-Forwarded-For: 127.0.0.4, 127.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Port: 80", "X_under: 1"},
			[]string{"X-Hop", "Keep-Alive", "Te:", "Proxy-Auth", "Oidc", "Tls-Version", "gopher", "User-Agent"},
		},
		{
			"others",
			[]option{
				attribute(model.AttributeXFFMode, "preserve"), attribute(model.AttributePreserveHost, "true"), attribute(model.AttributeDropInvalid, "true"),
			},
			[]string{"Host: www.example.com:80", "X-Forwarded-For: 127.0.0.4"},
			[]string{"X_under", "x_under"},
		},
		{"no addresses", []option{attribute(model.AttributeXFFMode, "remove")}, nil, []string{"X-Forwarded-For"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := newRecorder(t)
			r := newRig(t, tt.options...)
			r.target(r.group("app", nil), rec.addr)
			r.raw(send)
			got := rec.bytes()
			for _, want := range tt.want {
				if !strings.Contains(got, "\r\n"+want+"\r\n") {
					t.Errorf("no %q in %q", want, got)
				}
			}
			for _, never := range tt.never {
				if strings.Contains(got, never) {
					t.Errorf("there is %q in %q", never, got)
				}
			}
			if !strings.Contains(got, ";Root=1-67891233-abcdef012345678912345678\r\n") || !strings.Contains(got, "X-Amzn-Trace-Id: Self=1-") {
				t.Errorf("the trace is not kept: %q", got)
			}
		})
	}
}

func TestResponseHeaders(t *testing.T) {
	t.Parallel()
	target := answering(t, "HTTP/1.1 200 OK\r\nServer: mine\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-Frame-Options: ALLOW\r\nContent-Length: 2\r\n\r\nok")
	r := newRig(t, func(r *rig, _ *testConfig) {
		r.record.Attributes["routing.http.response.x_frame_options.header_value"] = "DENY"
		r.record.Attributes["routing.http.response.strict_transport_security.header_value"] = "max-age=1"
		r.record.Attributes[model.AttributeServerHeader] = "false"
	})
	r.target(r.group("app", nil), target)
	resp, text := r.get("/")
	want := map[string]string{"X-Frame-Options": "DENY", "Strict-Transport-Security": "max-age=1", "Server": "", "X-Hop": "", "Connection": ""}
	for name, value := range want {
		if got := resp.Header.Get(name); got != value {
			t.Errorf("%s: got %q, want %q", name, got, value)
		}
	}
	if text != "ok" {
		t.Errorf("got %q", text)
	}
}

// TestHostileTargets lets targets answer what is no answer.
func TestHostileTargets(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer string
		code   int
		broken bool // the body ends too early, and the client sees it
	}{
		"nothing":                     {"", 502, false},
		"no HTTP":                     {"hello\r\n\r\n", 502, false},
		"half a head":                 {"HTTP/1.1 200 OK\r\nX: y\r\n", 502, false},
		"two lengths":                 {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!", 502, false},
		"a length that is none":       {"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", 502, false},
		"an unknown coding":           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nok", 502, false},
		"a head of 40 KiB":            {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 40<<10) + "\r\nContent-Length: 0\r\n\r\n", 502, false},
		"a head of many fields":       {"HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 10000) + "Content-Length: 0\r\n\r\n", 502, false},
		"a storm of 1xx":              {strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n", 5000) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 502, false},
		"101 unasked":                 {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nraw", 502, false},
		"a control in a value":        {"HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 2\r\n\r\nok", 502, false},
		"a bare CR in a value":        {"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 2\r\n\r\nok", 502, false},
		"a name with a space":         {"HTTP/1.1 200 OK\r\nX y: b\r\nContent-Length: 2\r\n\r\nok", 502, false},
		"a code of 99":                {"HTTP/1.1 099 No\r\nContent-Length: 2\r\n\r\nok", 502, false},
		"length and chunks":           {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, false},
		"204 with a body":             {"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil", 204, false},
		"304 with a body":             {"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil", 304, false},
		"more than was said":          {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", 200, false},
		"until the end":               {"HTTP/1.1 200 OK\r\n\r\nok", 200, false},
		"less than was said":          {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok", 200, true},
		"chunks without an end":       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", 200, true},
		"a chunk's size that is none": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n", 200, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.target(r.group("app", nil), answering(t, tt.answer))
			for version, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
				resp, err := speaking(t, "", http2, false).Get("http://" + r.addr)
				if err != nil {
					t.Fatalf("%s: %v", version, err)
				}
				text, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != tt.code || (err != nil) != tt.broken || strings.Contains(string(text), "evil") {
					t.Errorf("%s: got %d %.100q, %v", version, resp.StatusCode, text, err)
				}
			}
		})
	}
}

// refusing is an address at which nobody listens.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestRetry(t *testing.T) {
	t.Parallel()
	rec := newRecorder(t)
	r := newRig(t)
	g := r.group("app", nil)
	dead := r.target(g, refusing(t))
	r.target(g, rec.addr)
	for i := range 10 {
		resp, err := client(t).Post("http://"+r.addr, "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		if text := body(t, resp); resp.StatusCode != http.StatusOK || text != "ok" {
			t.Errorf("request %d: got %d %q", i, resp.StatusCode, text)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.refused) == 0 || slices.ContainsFunc(r.refused, func(path string) bool { return path != dead.Path() }) {
		t.Errorf("refused were %q, want %q", r.refused, dead.Path())
	}
	i := slices.IndexFunc(r.samples, func(s sample) bool { return s.Retries == 1 })
	if i < 0 || r.samples[i].Code != 200 || r.samples[i].Refusals != 1 {
		t.Errorf("no sample tells of the retry: %+v", r.samples)
	}
	if e := r.log[i]; e.TargetCodes != "- 200" || strings.Count(e.Targets, " ") != 1 {
		t.Errorf("the access log says %s", e.Append(nil))
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.group("app", nil)
	for range 5 {
		r.target(g, refusing(t))
	}
	resp, _ := r.get("/")
	if e := r.entry(1); resp.StatusCode != http.StatusBadGateway || strings.Count(e.Targets, " ") != 2 || e.Request != -1 {
		t.Errorf("got %d; the access log says %s", resp.StatusCode, e.Append(nil))
	}
}

// TestNoRetryOfWhatWasSent lets a target take a request and close the connection: nobody knows what it has done.
func TestNoRetryOfWhatWasSent(t *testing.T) {
	t.Parallel()
	var seen atomic.Int64
	closing := func() string {
		return listen(t, func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				seen.Add(1)
			}
		})
	}
	r := newRig(t)
	g := r.group("app", nil)
	r.target(g, closing())
	r.target(g, closing())
	if resp, _ := r.get("/"); resp.StatusCode != http.StatusBadGateway || seen.Load() != 1 {
		t.Errorf("got %d, and %d targets got the request", resp.StatusCode, seen.Load())
	}
}

func TestClientLeaves(t *testing.T) {
	t.Parallel()
	arrived, cancelled := make(chan struct{}, 2), make(chan struct{}, 2)
	target := handler(t, func(_ http.ResponseWriter, req *http.Request) {
		arrived <- struct{}{}
		<-req.Context().Done()
		cancelled <- struct{}{}
	})
	r := newRig(t)
	r.target(r.group("app", nil), target)
	for i, http2 := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			<-arrived
			cancel()
		}()
		if _, err := speaking(t, "", http2, false).Do(req); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		<-cancelled
		if e := r.entry(i + 1); e.Code != 460 || e.TargetCode != 0 {
			t.Errorf("the access log says %s", e.Append(nil))
		}
	}
}

// TestDrainUnderLoad takes one target after the other out of rotation while clients send requests: none fails, and none
// arrives at a target after it was said to be drained.
func TestDrainUnderLoad(t *testing.T) {
	t.Parallel()
	const targets, clients, rounds = 4, 8, 20
	r := newRig(t)
	g := r.group("app", nil)
	var gone [targets]atomic.Bool
	var late atomic.Int64
	var records [targets]*model.Target
	for i := range records {
		records[i] = r.target(g, handler(t, func(w http.ResponseWriter, req *http.Request) {
			if gone[i].Load() {
				late.Add(1)
			}
			_, _ = io.Copy(w, req.Body)
		}))
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var sent atomic.Int64
	for n := range clients {
		c := speaking(t, "", n%2 == 1, false)
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp, err := c.Post("http://"+r.addr, "text/plain", strings.NewReader("hello"))
				if err != nil {
					t.Errorf("a request fails: %v", err)
					return
				}
				text, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusOK || string(text) != "hello" {
					t.Errorf("a request fails: %d %q %v", resp.StatusCode, text, err)
				}
				sent.Add(1)
			}
		})
	}
	for round := range rounds {
		i := round % targets
		path := records[i].Path()
		r.setDraining(records[i], true)
		if !r.flights.Target(path).Close() {
			eventually(t, "the target is drained", func() bool {
				r.mu.Lock()
				defer r.mu.Unlock()
				return r.drained[path]
			})
		}
		gone[i].Store(true)
		before := sent.Load()
		eventually(t, "others serve on", func() bool { return sent.Load() > before+20 })
		gone[i].Store(false)
		r.mu.Lock()
		delete(r.drained, path)
		r.mu.Unlock()
		r.flights.Target(path).Open()
		r.setDraining(records[i], false)
	}
	close(stop)
	wg.Wait()
	if late.Load() > 0 {
		t.Errorf("%d requests arrived at a target that was drained", late.Load())
	}
	t.Logf("%d requests", sent.Load())
}

// setDraining changes a target's record, and so the table.
func (r *rig) setDraining(x *model.Target, draining bool) {
	r.mu.Lock()
	changed := *x
	if draining {
		changed.DrainAt, changed.DrainBy = time.Now(), time.Now().Add(time.Minute)
	}
	list := slices.Clone(r.targets[x.Group])
	for i := range list {
		if list[i].Path() == x.Path() {
			list[i] = &changed
		}
	}
	r.targets[x.Group] = list
	r.mu.Unlock()
	r.compile()
}

// TestQuit ends the deregistration delay of a target that is still at work.
func TestQuit(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 2)
	target := handler(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/begun" {
			_, _ = io.WriteString(w, "some")
			_ = http.NewResponseController(w).Flush()
		}
		if req.URL.Path == "/again" {
			return
		}
		arrived <- struct{}{}
		<-req.Context().Done()
	})
	r := newRig(t)
	x := r.target(r.group("app", nil), target)
	c := client(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		resp, err := c.Get("http://" + r.addr + "/")
		if err != nil {
			t.Error(err)
			return
		}
		if text := body(t, resp); resp.StatusCode != http.StatusBadGateway || !strings.Contains(text, "502 Bad Gateway") {
			t.Errorf("got %d %q", resp.StatusCode, text)
		}
	})
	wg.Go(func() {
		resp, err := c.Get("http://" + r.addr + "/begun")
		if err != nil {
			t.Error(err)
			return
		}
		arrived <- struct{}{}
		if text, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("a response that was cut off ends as if it were whole: %q", text)
		}
		_ = resp.Body.Close()
	})
	for range 3 {
		<-arrived
	}
	r.setDraining(x, true)
	flying := r.flights.Target(x.Path())
	if flying.Close() || flying.InFlight() != 2 {
		t.Errorf("%d are in flight", flying.InFlight())
	}
	flying.Quit()
	wg.Wait()
	eventually(t, "the target is drained", func() bool { return flying.InFlight() == 0 })
	if resp, _ := r.get("/"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("without a target: got %d", resp.StatusCode)
	}
	// Registered again before it was forgotten, it is there as if nothing had been.
	flying.Open()
	r.setDraining(x, false)
	for range 50 {
		resp, err := c.Post("http://"+r.addr+"/again", "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		if text := body(t, resp); resp.StatusCode != http.StatusOK {
			t.Fatalf("registered again: got %d %s", resp.StatusCode, text)
		}
	}
}
