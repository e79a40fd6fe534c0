package l7_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// named starts a target that answers with its name, and sets the cookie of an application.
func named(t *testing.T, name string) string {
	return handler(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/login" {
			http.SetCookie(w, &http.Cookie{Name: "session", Value: name})
		}
		if req.URL.Path == "/fails" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, name)
	})
}

// visitor is a client that keeps cookies.
func (r *rig) visitor() func(path string) (string, []*http.Cookie) {
	r.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	c := client(r.t)
	c.Jar = jar
	return func(path string) (string, []*http.Cookie) {
		r.t.Helper()
		resp, err := c.Get("http://" + r.addr + path)
		if err != nil {
			r.t.Fatal(err)
		}
		return body(r.t, resp), resp.Cookies()
	}
}

func cookieNames(cookies []*http.Cookie) string {
	var names []string
	for _, c := range cookies {
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}

func sticky(kind string) func(*model.TargetGroup) {
	return func(g *model.TargetGroup) {
		g.Attributes[model.AttributeSticky], g.Attributes[model.AttributeStickyType] = "true", kind
		g.Attributes[model.AttributeAppCookie] = "session"
	}
}

func TestDurationCookie(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.group("app", sticky("lb_cookie"))
	a := r.target(g, named(t, "a"))
	b := r.target(g, named(t, "b"))
	visit := r.visitor()
	first, cookies := visit("/")
	if got := cookieNames(cookies); got != "AWSALB AWSALBCORS" || cookies[0].Path != "/" || time.Until(cookies[0].Expires) < 6*24*time.Hour || !cookies[1].Secure {
		t.Errorf("got %v", cookies)
	}
	for range 5 {
		if got, _ := visit("/"); got != first {
			t.Fatalf("first %q, then %q", first, got)
		}
	}
	stays, other := a, "b"
	if first == "b" {
		stays, other = b, "a"
	}
	r.setDraining(stays, true)
	if got, _ := visit("/"); got != other {
		t.Errorf("its target is deregistered: got %q, want %q", got, other)
	}
	r.setDraining(stays, false)
	if got, _ := visit("/"); got != other {
		t.Errorf("a session that has moved moves back to %q", got)
	}
	// A cookie that somebody made up is as good as none.
	got := r.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: AWSALB=" + strings.Repeat("A", 72) + "\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 200") || !strings.Contains(got, "Set-Cookie: AWSALB=") {
		t.Errorf("got %q", got)
	}
}

func TestApplicationCookie(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.group("app", sticky("app_cookie"))
	r.target(g, named(t, "a"))
	r.target(g, named(t, "b"))
	visit := r.visitor()
	if _, cookies := visit("/"); len(cookies) > 0 {
		t.Errorf("without the application's cookie there is %v", cookies)
	}
	first, cookies := visit("/login")
	if got := cookieNames(cookies); got != "session AWSALBAPP-0" {
		t.Errorf("got %v", cookies)
	}
	for range 5 {
		got, cookies := visit("/")
		if got != first || cookieNames(cookies) != "AWSALBAPP-0" {
			t.Fatalf("first %q, then %q with %v", first, got, cookies)
		}
	}
}

func TestGroupCookie(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one, two := r.group("one", nil), r.group("two", nil)
	r.target(one, named(t, "one"))
	r.target(two, named(t, "two"))
	action := forwardTo(one, two)
	r.record.Actions = []model.Action{action}
	r.compile()
	count := map[string]int{}
	for range 200 {
		_, text := r.get("/")
		count[text]++
	}
	if count["one"] < 50 || count["two"] < 50 {
		t.Errorf("by weights 1 and 1: %v", count)
	}
	action.Forward.Sticky = time.Hour
	r.record.Actions = []model.Action{action}
	r.compile()
	visit := r.visitor()
	first, cookies := visit("/")
	if got := cookieNames(cookies); got != "AWSALBTG AWSALBTGCORS" {
		t.Errorf("got %v", cookies)
	}
	for range 10 {
		if got, _ := visit("/"); got != first {
			t.Fatalf("first %q, then %q", first, got)
		}
	}
}

func TestAlgorithms(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		algorithm string
		check     func(t *testing.T, counts [3]int)
	}{
		{"round_robin", func(t *testing.T, n [3]int) {
			if n != [3]int{20, 20, 20} {
				t.Errorf("got %v", n)
			}
		}},
		{"least_outstanding_requests", func(t *testing.T, n [3]int) {
			for _, x := range n {
				if x < 5 {
					t.Errorf("got %v", n)
				}
			}
		}},
		{"weighted_random", func(t *testing.T, n [3]int) {
			for _, x := range n {
				if x < 5 {
					t.Errorf("got %v", n)
				}
			}
		}},
	} {
		t.Run(tt.algorithm, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			g := r.group("app", func(g *model.TargetGroup) {
				g.Attributes[model.AttributeAlgorithm], g.Attributes[model.AttributeMitigation] = tt.algorithm, "on"
			})
			for i := range 3 {
				r.target(g, named(t, strconv.Itoa(i)))
			}
			c := client(t)
			var counts [3]int
			for range 60 {
				resp, err := c.Get("http://" + r.addr)
				if err != nil {
					t.Fatal(err)
				}
				i, err := strconv.Atoi(body(t, resp))
				if err != nil {
					t.Fatal(err)
				}
				counts[i]++
			}
			tt.check(t, counts)
		})
	}
}

// TestFailOpen has only targets that are not healthy: they get the requests.
func TestFailOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.group("app", nil)
	for name, state := range map[string]model.TargetState{"a": model.TargetUnhealthy, "b": model.TargetInitial} {
		x := r.target(g, named(t, name))
		r.health[x.Path()] = state
	}
	r.compile()
	seen := map[string]bool{}
	for range 10 {
		resp, text := r.get("/")
		if resp.StatusCode != http.StatusOK {
			t.Errorf("got %d", resp.StatusCode)
		}
		seen[text] = true
	}
	if len(seen) != 2 {
		t.Errorf("only %v got requests", seen)
	}
	r.entry(10)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.samples {
		if !s.FailOpen {
			t.Errorf("the sample does not say it: %+v", s)
		}
	}
}
