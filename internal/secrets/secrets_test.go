package secrets_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/secrets"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

const (
	region = "us-east-1"
	asm    = "arn:aws:secretsmanager:us-east-1:123456789012:secret:"
	ssm    = "arn:aws:ssm:us-east-1:123456789012:parameter/"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func load(t *testing.T, path string, create bool) *secrets.Keys {
	t.Helper()
	keys, err := secrets.LoadKeys(path, create)
	if err != nil {
		t.Fatalf("LoadKeys: %v", err)
	}
	return keys
}

func TestSeal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret.key")
	keys := load(t, path, true)
	sealed := keys.Seal(region, "db", []byte("canary"), noon)
	if strings.Contains(string(sealed.Sealed), "canary") || sealed.SealedBy == "" || !sealed.CreatedAt.Equal(noon) {
		t.Errorf("got %+v, want it sealed", sealed)
	}
	if again := keys.Seal(region, "db", []byte("canary"), noon); bytes.Equal(again.Sealed, sealed.Sealed) {
		t.Error("the same value is sealed to the same bytes")
	}
	if value, err := load(t, path, false).Open(sealed); string(value) != "canary" || err != nil {
		t.Errorf("Open with the key read again = %q, %v", value, err)
	}
	for name, change := range map[string]func(*model.StoredSecret){
		"another name":   func(s *model.StoredSecret) { s.Name = "other" },
		"another region": func(s *model.StoredSecret) { s.Region = "eu-west-1" },
		"a changed byte": func(s *model.StoredSecret) { s.Sealed = append([]byte{s.Sealed[0] ^ 1}, s.Sealed[1:]...) },
		"cut short":      func(s *model.StoredSecret) { s.Sealed = s.Sealed[:5] },
		"nothing":        func(s *model.StoredSecret) { s.Sealed = nil },
	} {
		changed := *sealed
		change(&changed)
		if value, err := keys.Open(&changed); err == nil {
			t.Errorf("%s: Open = %q, want an error", name, value)
		}
	}
	other := load(t, filepath.Join(t.TempDir(), "secret.key"), true)
	if _, err := other.Open(sealed); !errors.Is(err, secrets.ErrWrongKey) {
		t.Errorf("Open with another key = %v, want %v", err, secrets.ErrWrongKey)
	}
}

// TestRotate puts a new key in front: the old one opens what it sealed, until it is dropped.
func TestRotate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret.key")
	old := load(t, path, true)
	sealed := old.Seal(region, "db", []byte("value"), noon)
	both, err := old.Rotated()
	if err != nil {
		t.Fatal(err)
	}
	if err := both.Save(path); err != nil {
		t.Fatal(err)
	}
	both = load(t, path, false)
	again := both.Seal(region, "db", []byte("value"), noon)
	for _, s := range []*model.StoredSecret{sealed, again} {
		if value, err := both.Open(s); string(value) != "value" || err != nil {
			t.Errorf("both keys: %q, %v", value, err)
		}
	}
	if _, err := both.Newest().Open(sealed); !errors.Is(err, secrets.ErrWrongKey) {
		t.Errorf("the new key alone = %v, want %v", err, secrets.ErrWrongKey)
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { load(t, path, true) })
	}
	group.Wait()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v, want 0600", info.Mode(), err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("got files %v, want the key alone", files)
	}
	hex := strings.Repeat("0f", 32)
	for name, test := range map[string]struct {
		text string
		mode os.FileMode
		ok   bool
	}{
		"two keys":   {hex + "\n" + strings.Repeat("1e", 32) + "\n", 0o600, true},
		"no newline": {hex, 0o400, true},
		"readable":   {hex, 0o644, false},
		"group":      {hex, 0o640, false},
		"empty":      {"", 0o600, false},
		"short":      {hex[:62], 0o600, false},
		"no hex":     {strings.Repeat("zz", 32), 0o600, false},
		"too many":   {strings.Repeat(hex+"\n", 17), 0o600, false},
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(test.text), test.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := secrets.LoadKeys(path, true); (err == nil) != test.ok || err != nil && strings.Contains(err.Error(), hex[:62]) {
			t.Errorf("%s: LoadKeys = %v, want ok %t, and no key in the error", name, err, test.ok)
		}
	}
	if _, err := secrets.LoadKeys(filepath.Join(dir, "none"), false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the file: %v", err)
	}
}

func TestReference(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		from  string
		want  secrets.Reference
		names []string
	}{
		{"db", secrets.Reference{Service: "ssm", Region: region, ID: "db", Name: "db"}, []string{"db", "/db"}},
		{"/prod/db", secrets.Reference{Service: "ssm", Region: region, ID: "/prod/db", Name: "/prod/db"}, []string{"/prod/db", "prod/db"}},
		{ssm + "prod/db", secrets.Reference{Service: "ssm", Region: region, ID: ssm + "prod/db", Name: "prod/db"}, []string{"prod/db", "/prod/db"}},
		{asm + "db-AbCdEf", secrets.Reference{Service: "secretsmanager", Region: region, ID: asm + "db-AbCdEf", Name: "db-AbCdEf"}, []string{"db-AbCdEf", "db"}},
		{asm + "db", secrets.Reference{Service: "secretsmanager", Region: region, ID: asm + "db", Name: "db"}, []string{"db"}},
		{asm + "a/b-123456:user:AWSCURRENT:v1", secrets.Reference{
			Service: "secretsmanager", Region: region, ID: asm + "a/b-123456", Name: "a/b-123456", JSONKey: "user", Stage: "AWSCURRENT", Version: "v1",
		}, []string{"a/b-123456", "a/b"}},
		{asm + "db-AbCdEf::AWSPREVIOUS:", secrets.Reference{
			Service: "secretsmanager", Region: region, ID: asm + "db-AbCdEf", Name: "db-AbCdEf", Stage: "AWSPREVIOUS",
		}, []string{"db-AbCdEf", "db"}},
	} {
		got, err := secrets.ParseReference(test.from, region)
		if err != nil {
			t.Errorf("%s: %v", test.from, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.from, diff)
		}
		if diff := cmp.Diff(test.names, got.Names()); diff != "" {
			t.Errorf("%s, names (-want +got):\n%s", test.from, diff)
		}
	}
	for _, from := range []string{
		"", strings.Repeat("x", 3000), "arn:", "arn:aws:secretsmanager:us-east-1", "arn:aws:ssm:us-east-1:1:document/x", "arn:aws:ssm:us-east-1:1:parameter/",
		"arn:aws:ssm::1:parameter/x", "arn:aws:s3:::b/k", asm, asm + "a:b:c:d:e", "arn:aws:secretsmanager:us-east-1:1:db",
	} {
		if got, err := secrets.ParseReference(from, region); err == nil {
			t.Errorf("%.60q: got %+v, want an error", from, got)
		}
	}
}

// resolver keeps what is given locally.
func resolver(t *testing.T, values map[string]string) *secrets.Resolver {
	t.Helper()
	keys := load(t, filepath.Join(t.TempDir(), "key"), true)
	s, err := store.OpenSync(t.Context(), mem.New(mem.Options{}), store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if _, err := s.Update(t.Context(), func(tx *store.Tx) error {
		for name, value := range values {
			tx.Put(keys.Seal(region, name, []byte(value), noon))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return &secrets.Resolver{View: s.View, Keys: func() (*secrets.Keys, error) { return keys, nil }}
}

type lookup struct{ from, want, fails string }

func (l lookup) check(t *testing.T, r *secrets.Resolver) {
	t.Helper()
	got, err := r.Value(t.Context(), l.from, region)
	if got != l.want || (err == nil) != (l.fails == "") || err != nil && !strings.Contains(err.Error(), l.fails) {
		t.Errorf("%s: got %q, %v, want %q, %q", l.from, got, err, l.want, l.fails)
	}
	if err != nil && strings.Contains(err.Error(), "canary") {
		t.Errorf("%s: the value is told in the error: %v", l.from, err)
	}
}

func TestLocal(t *testing.T) {
	t.Parallel()
	r := resolver(t, map[string]string{
		"db": "canary", "/prod/key": "canary-2", "json": `{"user":"u","n":5,"in":{"a":[1]},"null":null,"empty":""}`,
	})
	for _, l := range []lookup{
		{from: "db", want: "canary"},
		{from: ssm + "db", want: "canary"},
		{from: ssm + "prod/key", want: "canary-2"},
		{from: "/prod/key", want: "canary-2"},
		{from: asm + "db-AbCdEf", want: "canary"},
		{from: asm + "db", want: "canary"},
		{from: asm + "db::AWSCURRENT:", want: "canary"},
		{from: asm + "json-AbCdEf:user::", want: "u"},
		{from: asm + "json:n::", want: "5"},
		{from: asm + "json:in::", want: `{"a":[1]}`},
		{from: asm + "json:empty::", want: ""},
		{from: asm + "json:none::", fails: "did not contain json key none"},
		{from: asm + "db:user::", fails: "is no JSON object"},
		{from: asm + "db::AWSPREVIOUS:", fails: "ResourceNotFoundException"},
		{from: asm + "db:::v1", fails: "ResourceNotFoundException"},
		{from: asm + "none-AbCdEf", fails: "failed to fetch secret " + asm + "none-AbCdEf from secrets manager: ResourceNotFoundException: Secrets Manager can't find the specified secret (`maitred secret set none`"},
		{from: "none", fails: "unable to retrieve secrets from ssm: service call has been retried 1 time(s): failed to fetch parameter none: ResourceNotFoundException"},
		{from: "arn:aws:ssm:eu-west-1:123456789012:parameter/db", fails: "ResourceNotFoundException"},
		{from: "arn:aws:kms:us-east-1:1:key/x", fails: "secrets are kept by"},
	} {
		l.check(t, r)
	}
	wrong := load(t, filepath.Join(t.TempDir(), "key"), true)
	r.Keys = func() (*secrets.Keys, error) { return wrong, nil }
	lookup{from: "db", fails: "sealed with another key"}.check(t, r)
}

// cloud answers like an endpoint for Secrets Manager, Systems Manager and S3.
func cloud(t *testing.T) *secrets.Endpoint {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		var in struct {
			SecretID       string `json:"SecretId"`
			VersionStage   string
			Names          []string
			WithDecryption bool
		}
		text, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(text, &in)
		switch target := r.Header.Get("X-Amz-Target"); {
		case target == "secretsmanager.GetSecretValue" && in.SecretID == asm+"bin-AbCdEf":
			_, _ = io.WriteString(w, `{"SecretBinary":"Y2FuYXJ5"}`)
		case target == "secretsmanager.GetSecretValue" && in.SecretID == asm+"db-AbCdEf":
			_, _ = io.WriteString(w, `{"SecretString":"canary `+in.VersionStage+`"}`)
		case target == "secretsmanager.GetSecretValue":
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"__type":"ResourceNotFoundException","Message":"Secrets Manager can't find the specified secret."}`)
		case target == "AmazonSSM.GetParameters" && in.WithDecryption && in.Names[0] == "/a/b":
			_, _ = io.WriteString(w, `{"Parameters":[{"Name":"/a/b","Value":"canary-p"}],"InvalidParameters":[]}`)
		case target == "AmazonSSM.GetParameters" && in.Names[0] == "/bad":
			_, _ = io.WriteString(w, `<html>`)
		case target == "AmazonSSM.GetParameters":
			_, _ = io.WriteString(w, `{"Parameters":[],"InvalidParameters":["x"]}`)
		case r.Method == http.MethodGet && r.URL.Path == "/bucket/dir/a b.env":
			_, _ = io.WriteString(w, "A=1\n")
		case r.Method == http.MethodGet && r.URL.Path == "/bucket/broken":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>`)
		}
	}))
	t.Cleanup(server.Close)
	return &secrets.Endpoint{URL: server.URL + "/"}
}

func TestEndpoint(t *testing.T) {
	t.Parallel()
	r := resolver(t, map[string]string{"local": "here"})
	r.Endpoint = cloud(t)
	for _, l := range []lookup{
		{from: "local", want: "here"},
		{from: asm + "db-AbCdEf", want: "canary "},
		{from: asm + "db-AbCdEf::AWSPREVIOUS:", want: "canary AWSPREVIOUS"},
		{from: asm + "bin-AbCdEf", want: "canary"},
		{from: asm + "none-AbCdEf", fails: "from secrets manager: ResourceNotFoundException: Secrets Manager can't find the specified secret."},
		{from: "/a/b", want: "canary-p"},
		{from: "/none", fails: "ParameterNotFound: invalid parameters: /none"},
		{from: "/bad", fails: "no JSON"},
	} {
		l.check(t, r)
	}
	r.Endpoint = &secrets.Endpoint{URL: "http://127.0.0.1:1"}
	lookup{from: "/a/b", fails: "unable to retrieve secrets from ssm"}.check(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Value(ctx, "/a/b", region); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v, want context.Canceled", err)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	r := resolver(t, nil)
	const at = "arn:aws:s3:::bucket/"
	if _, err := r.File(t.Context(), at+"x", region); err == nil || !strings.Contains(err.Error(), "--s3-dir") {
		t.Errorf("without a place: %v, want a word on how to give one", err)
	}
	r.Objects = t.TempDir()
	dir := filepath.Join(r.Objects, "bucket", "dir")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"good.env": "# a comment\nA=1\n", "bad.env": "A\n", "../../outside": "A=2"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		arn, fails string
		want       []secrets.Variable
	}{
		{arn: at + "dir/good.env", want: []secrets.Variable{{Name: "A", Value: "1"}}},
		{arn: at + "dir/bad.env", fails: "line 1 has no ="},
		{arn: at + "dir/none.env", fails: "NoSuchKey"},
		{arn: at + "dir/link", fails: "failed to download env files"},
		{arn: at + "../../etc/passwd", fails: "failed to download env files"},
		{arn: at + "dir", fails: "failed to download env files"},
		{arn: "arn:aws:s3:::bucket", fails: "not the ARN of an S3 object"},
		{arn: "s3://bucket/key", fails: "not the ARN of an S3 object"},
		{arn: "arn:aws:s3:::/key", fails: "not the ARN of an S3 object"},
		{arn: "arn:aws:sqs:::bucket/key", fails: "not the ARN of an S3 object"},
	} {
		got, err := r.File(t.Context(), test.arn, region)
		if diff := cmp.Diff(test.want, got); diff != "" || (err == nil) != (test.fails == "") || err != nil && !strings.Contains(err.Error(), test.fails) {
			t.Errorf("%s: %v, want %q (-want +got):\n%s", test.arn, err, test.fails, diff)
		}
	}
	r.Endpoint = cloud(t)
	if got, err := r.File(t.Context(), at+"dir/a b.env", region); len(got) != 1 || err != nil {
		t.Errorf("from the endpoint: %v, %v, want one variable", got, err)
	}
	for key, want := range map[string]string{"none": "NoSuchKey: The specified key does not exist.", "broken": "500"} {
		if _, err := r.File(t.Context(), at+key, region); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", key, err, want)
		}
	}
}

func TestParseFile(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                              "",
		"A=1":                           "A=1;",
		"A=1\r\nB=2\r\n":                "A=1;B=2;",
		"\n\n  # c\n\tA=1":              "A=1;",
		"\xef\xbb\xbfA=1":               "A=1;",
		"A=":                            "A=;",
		"A=x=y":                         "A=x=y;",
		`A="q" 'r' # not a comment`:     `A="q" 'r' # not a comment;`,
		"A= 1 ":                         "A= 1 ;",
		"A=ü":                           "A=ü;",
		"A":                             "error: line 1 has no = after the name",
		"A=1\n=2":                       "error: line 2 has no name before the =",
		"A B=1":                         `error: line 1: the name "A B" contains white space`,
		"export A=1":                    `error: line 1: the name "export A" contains white space`,
		"A=\xff":                        "error: line 1 is no text in UTF-8",
		"A=\x00":                        "error: line 1 is no text in UTF-8",
		"A=" + strings.Repeat("x", 2e5): "error: line 1: bufio.Scanner: token too long",
	} {
		var got strings.Builder
		list, err := secrets.ParseFile([]byte(text))
		for _, v := range list {
			got.WriteString(v.Name + "=" + v.Value + ";")
		}
		if err != nil {
			got.WriteString("error: " + err.Error())
		}
		if got.String() != want {
			t.Errorf("%.40q: got %q, want %q", text, got.String(), want)
		}
	}
}

func FuzzParseFile(f *testing.F) {
	for _, text := range []string{"A=1\n# c\n\r\n B=2", "=", "A", "\xef\xbb\xbfA=\x00"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := secrets.ParseFile(text)
		if err != nil && list != nil {
			t.Errorf("got both %v and %v", list, err)
		}
		for _, v := range list {
			if v.Name == "" || strings.ContainsAny(v.Name, "= \t\n\x00") || strings.ContainsAny(v.Value, "\n\x00") {
				t.Errorf("got %q=%q", v.Name, v.Value)
			}
		}
	})
}

func FuzzReference(f *testing.F) {
	for _, text := range []string{"db", asm + "a-123456:k:s:v", ssm + "a", "arn:::::"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := secrets.ParseReference(text, region)
		if err == nil && (r.Name == "" || r.Region == "" || r.ID == "" || len(r.Names()) == 0) {
			t.Errorf("%q: got %+v", text, r)
		}
	})
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"db": true, "/prod/db-1_x+y=z.a@b": true, "": false, "a b": false, "a:b": false, "ü": false, "a\n": false,
		strings.Repeat("x", 512): true, strings.Repeat("x", 513): false,
	} {
		if got := secrets.CheckName(name); (got == "") != ok {
			t.Errorf("%.40q: got %q, want ok %t", name, got, ok)
		}
	}
}
