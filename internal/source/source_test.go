package source_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/source"
)

func none(context.Context, string) (string, error) { return "", errors.New("there is no secret") }

func secret(_ context.Context, name string) (string, error) { return "the secret " + name, nil }

func TestURLs(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"redis://127.0.0.1/0 list=jobs":                       "",
		"redis://:pw@127.0.0.1:6379  stream=s group=g":        "",
		"nats://127.0.0.1:4222 stream=JOBS consumer=w":        "",
		"postgres://u@127.0.0.1/db query-secret=q":            "",
		"sqs+http://127.0.0.1:4566/000000000000/jobs":         "",
		"json+https://127.0.0.1/stats value=/queue/length":    "",
		"prometheus+http://127.0.0.1:9090 query=waiting":      "",
		"redis://127.0.0.1 list-secret=l password-secret=pws": "",

		"":                                 `cannot be ""`,
		"mysql://h/db query=x":             `cannot be "mysql"`,
		"redis+http://h list=x":            "redis is reached by redis://",
		"json://h/x value=/a":              "json is reached by json+http:// or json+https://",
		"json+ftp://h/x value=/a":          "json is reached by",
		"redis:///0 list=x":                "it has no host",
		"redis://h":                        "it takes one parameter list or stream",
		"redis://h list=a stream=b":        "it takes one parameter list or stream",
		"redis://h list=a list=b":          `the parameter "list" more than once`,
		"redis://h list=a list-secret=b":   `the parameter "list" more than once`,
		"redis://h list=a key=b":           `it has no parameter "key"`,
		"redis://h list=a key-secret=b":    `it has no parameter "key-secret"`,
		"redis://h list=":                  `the parameter "list" has no value`,
		"postgres://h/db":                  "it takes one parameter query",
		"nats://h consumer=c":              "it takes one parameter stream",
		"redis://u:topsecret@h\x7f list=x": "not a URL",
	} {
		err := source.Check(url)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", url, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %s", url, err, want)
		case err != nil && strings.Contains(err.Error(), "topsecret"):
			t.Errorf("%s: the password is told: %v", url, err)
		}
	}
}

func TestDocuments(t *testing.T) {
	t.Parallel()
	const vector = `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"3"]},{"value":[1,"4.5"]}]}}`
	for name, c := range map[string]struct {
		body, url string
		want      float64
		failure   string
	}{
		"a number":                {`{"queues":[{"n":0},{"n":7}]}`, "json+%s/ value=/queues/1/n", 7, ""},
		"a text that is a number": {`{"a/b":{"~":"12"}}`, "json+%s/ value=/a~1b/~0", 12, ""},
		"nothing there":           {`{"a":1}`, "json+%s/ value=/b", 0, `nothing at "/b"`},
		"no such element":         {`[1]`, "json+%s/ value=/1", 0, `nothing at "/1"`},
		"inside a number":         {`{"a":1}`, "json+%s/ value=/a/b", 0, `nothing at "/a/b"`},
		"not a number":            {`{"a":[]}`, "json+%s/ value=/a", 0, "not a number"},
		"less than nothing":       {`{"a":-1}`, "json+%s/ value=/a", 0, "not a number of things"},
		"NaN":                     {`{"a":"NaN"}`, "json+%s/ value=/a", 0, "not a number of things"},
		"not JSON":                {`<html>`, "json+%s/ value=/a", 0, "not JSON"},
		"a vector":                {vector, "prometheus+%s query=up", 7.5, ""},
		"a scalar":                {`{"data":{"resultType":"scalar","result":[1,"2"]}}`, "prometheus+%s query=2", 2, ""},
		"no result":               {`{"data":{"resultType":"vector","result":[]}}`, "prometheus+%s query=up", 0, "no result"},
		"a matrix":                {`{"data":{"resultType":"matrix"}}`, "prometheus+%s query=up", 0, "matrix"},
		"nothing at all":          {`null`, "prometheus+%s query=up", 0, "not a vector"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(c.url, "prometheus") && (r.URL.Path != "/api/v1/query" || r.FormValue("query") == "") {
					w.WriteHeader(http.StatusNotFound)
				}
				_, _ = w.Write([]byte(c.body))
			}))
			defer srv.Close()
			got, err := read(t, strings.Replace(c.url, "%s", srv.URL, 1), none)
			if c.failure != "" {
				if err == nil || !strings.Contains(err.Error(), c.failure) {
					t.Errorf("got %v, want %s", err, c.failure)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
}

// TestWhoAsks has a server that wants to know who asks, and the secret that answers.
func TestWhoAsks(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, basic := r.BasicAuth()
		basic = basic && user == "me" && password == "the secret s"
		if !basic && r.Header.Get("Authorization") != "Bearer the secret s" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte("[5]"))
	}))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	for _, url := range []string{"json+http://me@" + host + " value=/0 password-secret=s", "json+http://" + host + " value=/0 password-secret=s"} {
		if v, err := read(t, url, secret); err != nil || v != 5 {
			t.Errorf("%s: got %v, %v", url, v, err)
		}
	}
	if _, err := read(t, "json+http://"+host+" value=/0", none); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without a password: %v", err)
	}
	if _, err := read(t, "json+http://"+host+" value=/0 password-secret=s", none); err == nil || !strings.Contains(err.Error(), `the secret "s"`) {
		t.Errorf("without the secret: %v", err)
	}
}

// TestSQS has something that answers as SQS does.
func TestSQS(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") != "AmazonSQS.GetQueueAttributes" || !strings.Contains(r.Header.Get("Authorization"), "Credential=key/") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = w.Write([]byte(`{"Attributes":{"ApproximateNumberOfMessages":"10000"}}`))
	}))
	defer srv.Close()
	v, err := read(t, "sqs+http://key@"+strings.TrimPrefix(srv.URL, "http://")+"/000000000000/jobs region=eu-west-1 password-secret=s", secret)
	if err != nil || v != 10000 {
		t.Errorf("got %v, %v", v, err)
	}
}

func read(t *testing.T, url string, secrets source.Secrets) (float64, error) {
	t.Helper()
	s, err := source.Open(t.Context(), url, secrets)
	if err != nil {
		return 0, err
	}
	defer func() { _ = s.Close() }()
	return s.Read(t.Context())
}

func FuzzCheck(f *testing.F) {
	f.Add("redis://127.0.0.1/0 list=jobs")
	f.Add("json+http://[::1]/a value=/b password-secret=c")
	f.Fuzz(func(_ *testing.T, url string) { _ = source.Check(url) })
}
