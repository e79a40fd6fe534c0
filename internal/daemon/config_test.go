package daemon

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestValidate names the flag and says what would be right.
func TestValidate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit func(*Config)
		want string // in the error; "" for none
	}{
		"the defaults":        {func(*Config) {}, ""},
		"another port":        {func(c *Config) { c.Listen = "localhost:7000" }, ""},
		"IPv6":                {func(c *Config) { c.Listen = "[::1]:7000" }, ""},
		"everywhere, wanted":  {func(c *Config) { c.Listen, c.AnyAddress = "0.0.0.0:7000", true }, ""},
		"everywhere":          {func(c *Config) { c.Listen = "0.0.0.0:7000" }, "--allow-any-address"},
		"everywhere, shorter": {func(c *Config) { c.Listen = ":7000" }, "--allow-any-address"},
		"a name":              {func(c *Config) { c.Listen = "example.com:7000" }, "--allow-any-address"},
		"no port":             {func(c *Config) { c.Listen = "127.0.0.1" }, "HOST:PORT"},
		"an account":          {func(c *Config) { c.Account = "12345678901x" }, "12 digits"},
		"a region":            {func(c *Config) { c.Region = "home" }, "us-east-1"},
		"timings":             {func(c *Config) { c.Timings = "" }, "fast or ecs"},
		"a driver":            {func(c *Config) { c.Driver = "vm" }, "auto, process or docker"},
		"an example":          {func(c *Config) { c.Example = "blog" }, "the examples are: web"},
	} {
		cfg := Defaults()
		cfg.Server = true
		c.edit(&cfg)
		err := cfg.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// TestDataDir is where the contract says.
func TestDataDir(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/state")
	got := dataDir()
	if got != "/var/lib/maitred" && got != "/state/maitred" {
		t.Errorf("got %s", got)
	}
}

// TestGuardHost lets a page of another origin, or a name that was made to lead here, call nothing.
func TestGuardHost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		host, origin string
		any          bool
		want         int
	}{
		{"127.0.0.1:6248", "", false, 200},
		{"localhost:6248", "", false, 200},
		{"[::1]:6248", "", false, 200},
		{"[::1]", "", false, 200},
		{"127.0.0.1:6248", "http://127.0.0.1:6248", false, 200},
		{"127.0.0.1:6248", "http://evil.example", false, 403},
		{"127.0.0.1:6248", "null", false, 403},
		{"evil.example", "", false, 403},
		{"evil.example:6248", "", false, 403},
		{"box.example:6248", "", true, 200},
	} {
		s := &server{cfg: Config{AnyAddress: c.any}}
		h := s.guardHost(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody)
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("host %q, origin %q, any %v: got %d, want %d", c.host, c.origin, c.any, w.Code, c.want)
		}
	}
}

// TestOperations: the table that the README prints names what is served.
func TestOperations(t *testing.T) {
	t.Parallel()
	served := map[string]string{}
	for _, api := range Operations() {
		for _, op := range api.Operations {
			served[api.Name+"."+op.Name] = op.Status
		}
	}
	for name, want := range map[string]string{"ecs.CreateService": "implemented", "ecs.CreateTaskSet": "refused", "sts.GetCallerIdentity": "implemented"} {
		if served[name] != want {
			t.Errorf("%s: got %q, want %q", name, served[name], want)
		}
	}
}
