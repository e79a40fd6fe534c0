package daemon

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/api/acm"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/secrets"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// keepsSecrets is a server that keeps secrets, with nothing else of it running.
func keepsSecrets(t *testing.T) (s *server, api string) {
	t.Helper()
	st, err := store.OpenSync(t.Context(), mem.New(mem.Options{}), store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	s = &server{store: st, cfg: Config{
		Server: true, DataDir: t.TempDir(), Region: "us-east-1", Log: slog.New(slog.DiscardHandler),
	}}
	mux := http.NewServeMux()
	s.secretRoutes(mux)
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	return s, web.URL
}

// db opens the secret of that name as a task's start does; it is "" if it cannot be had.
func (s *server) db(t *testing.T, region string) string {
	t.Helper()
	value, err := s.newPreparer(nil).secrets.Value(t.Context(), "db", region)
	if err != nil {
		return ""
	}
	return value
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	s, api := keepsSecrets(t)
	ctx := t.Context()
	for _, set := range []struct{ region, name, value string }{
		{"", "db", "first"}, {"", "db", "second"}, {"eu-west-1", "db", "third"}, {"", "/prod/empty", ""},
	} {
		if err := SetSecret(ctx, api, set.region, set.name, []byte(set.value)); err != nil {
			t.Fatalf("SetSecret(%+v) = %v", set, err)
		}
	}
	for region, want := range map[string]string{"": "/prod/empty db", "us-east-1": "/prod/empty db", "eu-west-1": "db", "eu-west-2": ""} {
		list, err := Secrets(ctx, api, region)
		var names []string
		for _, secret := range list {
			names = append(names, secret.Name)
			if secret.CreatedAt.IsZero() || secret.ChangedAt.Before(secret.CreatedAt) {
				t.Errorf("secret %s was created %s and changed %s", secret.Name, secret.CreatedAt, secret.ChangedAt)
			}
		}
		if got := strings.Join(names, " "); err != nil || got != want {
			t.Errorf("Secrets of %q = %q, %v, want %q", region, got, err, want)
		}
	}
	old, err := os.ReadFile(s.cfg.secretKey())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := RekeySecrets(ctx, api); n != 3 || err != nil {
		t.Errorf("RekeySecrets = %d, %v, want 3", n, err)
	}
	if now, err := os.ReadFile(s.cfg.secretKey()); err != nil || bytes.Equal(now, old) || len(now) != len(old) {
		t.Errorf("the key file has %d bytes after a rekey, %v, want %d other ones", len(now), err, len(old))
	}
	if got := s.db(t, "us-east-1"); got != "second" {
		t.Errorf("db is %q after a rekey, want what was set last", got)
	}
	if got := s.db(t, "eu-west-1"); got != "third" {
		t.Errorf("db of the other region is %q, want its own", got)
	}
	if err := DeleteSecret(ctx, api, "", "db"); err != nil {
		t.Errorf("DeleteSecret = %v", err)
	}
	if got := s.db(t, "us-east-1") + s.db(t, "eu-west-1"); got != "third" {
		t.Errorf("after db was deleted in one region: %q, want that of the other alone", got)
	}
}

func TestSecretsRefused(t *testing.T) {
	t.Parallel()
	s, api := keepsSecrets(t)
	ctx := t.Context()
	for name, c := range map[string]struct {
		region, name string
		value        []byte
		want         string
	}{
		"no name":     {value: []byte("canary"), want: "name"},
		"a bad name":  {name: "two words", value: []byte("canary"), want: "name"},
		"no region":   {name: "a", region: "the moon", value: []byte("canary"), want: "region"},
		"a zero byte": {name: "a", value: []byte("canary\x00"), want: "zero byte"},
		"too large":   {name: "a", value: bytes.Repeat([]byte("canary"), secrets.MaxValue), want: "at most"},
	} {
		err := SetSecret(ctx, api, c.region, c.name, c.value)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: SetSecret = %v, want an error with %q and without the value", name, err, c.want)
		}
	}
	if err := DeleteSecret(ctx, api, "", "none"); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("DeleteSecret of what is not there = %v, want an error that names it", err)
	}
	list, err := Secrets(ctx, api, "")
	if diff := cmp.Diff([]StoredSecret{}, list); diff != "" || err != nil {
		t.Errorf("Secrets = %v (-want +got):\n%s", err, diff)
	}
	// Where the key file is spoilt, nothing is stored and nobody makes another one.
	if err := os.WriteFile(s.cfg.secretKey(), []byte("spoilt"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := SetSecret(ctx, api, "", "a", []byte("canary")); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("SetSecret with a spoilt key = %v, want an error without the value", err)
	}
	if _, err := RekeySecrets(ctx, api); err == nil {
		t.Error("RekeySecrets with a spoilt key = nil, want an error")
	}
	if text, _ := os.ReadFile(s.cfg.secretKey()); string(text) != "spoilt" {
		t.Errorf("the spoilt key file is %q now, want it as it was", text)
	}
}

// TestNobodyKeepsSecrets asks where nothing answers, and where something else does.
func TestNobodyKeepsSecrets(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	if _, err := Secrets(t.Context(), other.URL, ""); err == nil || !strings.Contains(err.Error(), "is not maitred") {
		t.Errorf("Secrets of another server = %v, want that it is not maitred", err)
	}
	if err := SetSecret(t.Context(), "http://127.0.0.1:1", "", "a", nil); err == nil || !strings.Contains(err.Error(), "is it running?") {
		t.Errorf("SetSecret without a server = %v, want how to start one", err)
	}
	agent := &server{cfg: Config{DataDir: t.TempDir()}}
	if _, err := agent.keys(); err == nil || !strings.Contains(err.Error(), "--secret-key") {
		t.Errorf("keys of an agent without a key file = %v, want how to give it one", err)
	}
	if files, _ := filepath.Glob(agent.cfg.DataDir + "/*"); len(files) != 0 {
		t.Errorf("the agent made %q, want no key of its own", files)
	}
}

// TestRekeyCertificates seals the private keys of certificates anew, too.
func TestRekeyCertificates(t *testing.T) {
	t.Parallel()
	s, api := keepsSecrets(t)
	const arn = "arn:aws:acm:us-east-1:123456789012:certificate/a"
	if err := s.sealing(func(seal acm.Seal) error {
		sealed, err := seal(arn, []byte("the key"))
		if err != nil {
			return err
		}
		_, err = s.store.Update(t.Context(), func(tx *store.Tx) error {
			tx.Put(&model.Certificate{ARN: arn, SealedKey: sealed})
			return nil
		})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	before, _ := s.store.View().Certificate(arn)
	if _, err := RekeySecrets(t.Context(), api); err != nil {
		t.Fatal(err)
	}
	after, _ := s.store.View().Certificate(arn)
	keys, err := s.keys()
	if err != nil {
		t.Fatal(err)
	}
	if key, err := keys.OpenFor(arn, after.SealedKey); err != nil || string(key) != "the key" {
		t.Errorf("with the new key: %q, %v", key, err)
	}
	if _, err := keys.OpenFor(arn, before.SealedKey); !errors.Is(err, secrets.ErrWrongKey) {
		t.Errorf("the old seal with the new key: %v, want %v", err, secrets.ErrWrongKey)
	}
	if _, err := keys.OpenFor(arn, after.SealedKey[:3]); err == nil {
		t.Error("what is cut short can be opened")
	}
}
