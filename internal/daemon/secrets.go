package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"github.com/maitred/maitred/internal/api/acm"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/secrets"
	"github.com/maitred/maitred/internal/store"
)

const (
	secretsPath = "/maitred/v1/secrets" //nolint:gosec // a path
	rekeyPath   = secretsPath + "/rekey"
)

// StoredSecret is what may be told of a secret: everything but its value.
type StoredSecret struct {
	Name      string    `json:"name"`
	Region    string    `json:"region"`
	CreatedAt time.Time `json:"created"`
	ChangedAt time.Time `json:"changed"`
}

// secretKey is the file with the key of secrets.
func (c Config) secretKey() string {
	if c.SecretKey != "" {
		return c.SecretKey
	}
	return filepath.Join(c.DataDir, "secret.key")
}

// keys reads the key of secrets anew: it may have been changed. A server makes it when it first needs it.
func (s *server) keys() (*secrets.Keys, error) {
	keys, err := secrets.LoadKeys(s.cfg.secretKey(), s.cfg.Server)
	if err != nil && !s.cfg.Server {
		err = fmt.Errorf("%w (give this agent the server's file by --secret-key)", err)
	}
	return keys, err
}

// secretRoutes answers under /maitred/v1/secrets: PUT ?name= with the value as the body, GET, DELETE ?name=, and POST
// /rekey. No answer holds a value.
func (s *server) secretRoutes(mux *http.ServeMux) {
	mux.HandleFunc("PUT "+secretsPath, s.putSecret)
	mux.HandleFunc("GET "+secretsPath, s.listSecrets)
	mux.HandleFunc("DELETE "+secretsPath, s.deleteSecret)
	mux.HandleFunc("POST "+rekeyPath, s.rekey)
}

func (s *server) secretRegion(r *http.Request) string {
	if region := r.URL.Query().Get("region"); region != "" {
		return region
	}
	return s.cfg.Region
}

func (s *server) putSecret(w http.ResponseWriter, r *http.Request) {
	region, name := s.secretRegion(r), r.URL.Query().Get("name")
	value, err := io.ReadAll(http.MaxBytesReader(w, r.Body, secrets.MaxValue))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		err = model.InvalidParameter(fmt.Sprintf("a secret has at most %d bytes", secrets.MaxValue))
	}
	if problem := secrets.CheckName(name); err == nil && problem != "" {
		err = model.InvalidParameter(problem)
	}
	if err == nil && (!regionForm.MatchString(region) || bytes.IndexByte(value, 0) >= 0) {
		err = model.InvalidParameter("region is no region, or the value has a zero byte, which no variable can hold")
	}
	if err == nil {
		err = s.storeSecret(r.Context(), region, name, value)
	}
	if err != nil {
		s.refusedBy(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) storeSecret(ctx context.Context, region, name string, value []byte) error {
	s.keyFile.Lock() // a rekey meanwhile would drop the key that this is sealed with
	defer s.keyFile.Unlock()
	keys, err := s.keys()
	if err != nil {
		return err
	}
	_, err = s.store.Update(ctx, func(tx *store.Tx) error {
		control.PutSecret(tx, keys.Seal(region, name, value, time.Now().UTC()))
		return nil
	})
	return err
}

// sealing seals the private keys of certificates, with the key of secrets.
func (s *server) sealing(do func(acm.Seal) error) error {
	s.keyFile.Lock() // as for secrets
	defer s.keyFile.Unlock()
	keys, err := s.keys()
	if err != nil {
		return err
	}
	return do(func(arn string, key []byte) ([]byte, error) { return keys.SealFor(arn, key), nil })
}

func (s *server) listSecrets(w http.ResponseWriter, r *http.Request) {
	list := []StoredSecret{}
	for secret := range s.store.View().Secrets(s.secretRegion(r)) {
		list = append(list, StoredSecret{secret.Name, secret.Region, secret.CreatedAt, secret.ChangedAt})
	}
	w.Header().Set("Content-Type", "application/json")
	s.write(w, map[string]any{"secrets": list})
}

func (s *server) deleteSecret(w http.ResponseWriter, r *http.Request) {
	if _, err := s.store.Update(r.Context(), func(tx *store.Tx) error {
		return control.DeleteSecret(tx, s.secretRegion(r), r.URL.Query().Get("name"))
	}); err != nil {
		s.refusedBy(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// rekey seals all secrets, and the private keys of certificates, with a new key. Until that is done, the file holds the old one too: whenever this is cut short,
// every secret can be opened.
func (s *server) rekey(w http.ResponseWriter, r *http.Request) {
	n, err := s.reseal(r.Context())
	if err != nil {
		s.refusedBy(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	s.write(w, map[string]int{"resealed": n})
}

func (s *server) reseal(ctx context.Context) (n int, err error) {
	s.keyFile.Lock()
	defer s.keyFile.Unlock()
	old, err := s.keys()
	if err != nil {
		return 0, err
	}
	both, err := old.Rotated()
	if err != nil {
		return 0, err
	}
	if err := both.Save(s.cfg.secretKey()); err != nil {
		return 0, err
	}
	if _, err = s.store.Update(ctx, func(tx *store.Tx) error {
		n, err = control.ResealSecrets(tx, tx.View().AllSecrets(), func(sealed *model.StoredSecret) (*model.StoredSecret, error) {
			value, err := both.Open(sealed)
			if err != nil {
				return nil, err
			}
			return both.Seal(sealed.Region, sealed.Name, value, sealed.ChangedAt), nil
		})
		if err != nil {
			return err
		}
		_, err = control.ResealCertificates(tx, func(arn string, sealed []byte) ([]byte, error) {
			key, err := both.OpenFor(arn, sealed)
			if err != nil {
				return nil, err
			}
			return both.SealFor(arn, key), nil
		})
		return err
	}); err != nil {
		return 0, err
	}
	return n, both.Newest().Save(s.cfg.secretKey())
}

// SetSecret asks a running server to store a secret; region "" is the server's own.
func SetSecret(ctx context.Context, endpoint, region, name string, value []byte) error {
	return askSecrets(ctx, http.MethodPut, endpoint+secretsPath, url.Values{"region": {region}, "name": {name}}, value, nil)
}

// Secrets asks a running server which secrets it stores.
func Secrets(ctx context.Context, endpoint, region string) ([]StoredSecret, error) {
	var answer struct{ Secrets []StoredSecret }
	err := askSecrets(ctx, http.MethodGet, endpoint+secretsPath, url.Values{"region": {region}}, nil, &answer)
	return answer.Secrets, err
}

// DeleteSecret asks a running server to forget a secret.
func DeleteSecret(ctx context.Context, endpoint, region, name string) error {
	return askSecrets(ctx, http.MethodDelete, endpoint+secretsPath, url.Values{"region": {region}, "name": {name}}, nil, nil)
}

// RekeySecrets asks a running server to seal its secrets with a new key, and tells how many there are.
func RekeySecrets(ctx context.Context, endpoint string) (int, error) {
	var answer struct{ Resealed int }
	err := askSecrets(ctx, http.MethodPost, endpoint+rekeyPath, nil, nil, &answer)
	return answer.Resealed, err
}

// askSecrets makes a call and reads the answer, unless nothing is to be read.
func askSecrets(ctx context.Context, method, at string, q url.Values, body []byte, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, at+"?"+q.Encode(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	got, err := http.DefaultClient.Do(req)
	if err != nil {
		return unanswered(req.URL.Scheme+"://"+req.URL.Host, err)
	}
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	var refusal struct{ Message string }
	switch {
	case got.StatusCode >= http.StatusMultipleChoices && json.Unmarshal(text, &refusal) == nil && refusal.Message != "":
		return errors.New(refusal.Message)
	case got.StatusCode >= http.StatusMultipleChoices || answer != nil && json.Unmarshal(text, answer) != nil:
		return fmt.Errorf("%s is not maitred (it answered %s); --endpoint says where to ask", req.URL.Host, got.Status)
	}
	return nil
}
