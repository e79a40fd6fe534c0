package secrets

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
)

const (
	keyBytes = 32
	keyFile  = 0o600
	maxKeys  = 16
)

// ErrWrongKey says that a secret was sealed with another key than those at hand.
var ErrWrongKey = errors.New("the secret is sealed with another key")

// Keys are the keys of a key file: the first one seals, all open.
type Keys struct{ all []key }

type key struct {
	id   string // the beginning of the key's hash
	text string // in hex
	aead cipher.AEAD
}

// LoadKeys reads a key file; with create it is made first if there is none. It has a key a line, of 64 hex digits, and
// must be readable by nobody but its owner.
func LoadKeys(path string, create bool) (*Keys, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && create {
		if err := newKeyFile(path); err != nil {
			return nil, err
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of secrets: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the key of secrets: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): make it 0600", path, info.Mode().Perm())
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

func parseKeys(text []byte) (*Keys, error) {
	keys := &Keys{}
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		k, err := newKey(string(line))
		if err != nil {
			return nil, err
		}
		keys.all = append(keys.all, k)
	}
	if len(keys.all) == 0 || len(keys.all) > maxKeys {
		return nil, fmt.Errorf("it holds %d keys, want 1 to %d lines of %d hex digits", len(keys.all), maxKeys, 2*keyBytes)
	}
	return keys, nil
}

func newKey(text string) (key, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != keyBytes {
		return key{}, fmt.Errorf("a line is no key: want %d hex digits", 2*keyBytes)
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return key{}, err
	}
	sum := sha256.Sum256(append([]byte("maitred key id "), raw...))
	return key{id: hex.EncodeToString(sum[:8]), text: text, aead: aead}, nil
}

func randomKey() string {
	var raw [keyBytes]byte
	_, _ = rand.Read(raw[:]) // never fails: it ends the program instead
	return hex.EncodeToString(raw[:])
}

// newKeyFile makes a key file by linking it into place, so that of two processes that do so at once both get one key.
func newKeyFile(path string) error {
	temporary, err := writeAside(path, randomKey()+"\n")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary) }() // at worst a small file stays
	if err := os.Link(temporary, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the key of secrets: %w", err)
	}
	return nil
}

// writeAside writes a file beside another one, for its owner alone.
func writeAside(path, text string) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-*") // of mode 0600
	if err != nil {
		return "", fmt.Errorf("make the key of secrets: %w", err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Chmod(keyFile), f.Sync(), f.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("write the key of secrets: %w", err), os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// Save writes the keys to a file, in place of what it holds.
func (k *Keys) Save(path string) error {
	var b strings.Builder
	for _, key := range k.all {
		b.WriteString(key.text + "\n")
	}
	temporary, err := writeAside(path, b.String())
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(fmt.Errorf("write the key of secrets: %w", err), os.Remove(temporary))
	}
	return nil
}

// Rotated gives the keys with a new one in front of them.
func (k *Keys) Rotated() (*Keys, error) {
	next, err := newKey(randomKey())
	if err != nil {
		return nil, err
	}
	return &Keys{all: append([]key{next}, k.all...)}, nil
}

// Newest gives the sealing key alone.
func (k *Keys) Newest() *Keys { return &Keys{all: k.all[:1]} }

// Seal makes a record of a value. The record can be opened under its own name alone.
func (k *Keys) Seal(region, name string, value []byte, now time.Time) *model.StoredSecret {
	first := k.all[0]
	return &model.StoredSecret{
		Region: region, Name: name, SealedBy: first.id, CreatedAt: now, ChangedAt: now,
		Sealed: first.aead.Seal(nil, nil, value, bound(region, name)), //nolint:gosec // the nonce is random: NewGCMWithRandomNonce
	}
}

// Open gives the value of a record. The error wraps ErrWrongKey if the key is another one.
func (k *Keys) Open(s *model.StoredSecret) ([]byte, error) {
	i := slices.IndexFunc(k.all, func(key key) bool { return key.id == s.SealedBy })
	if i < 0 {
		return nil, fmt.Errorf("open secret %s: %w (%s)", s.Name, ErrWrongKey, s.SealedBy)
	}
	value, err := k.all[i].aead.Open(nil, nil, s.Sealed, bound(s.Region, s.Name))
	if err != nil {
		return nil, fmt.Errorf("open secret %s: what is stored was changed: %w", s.Name, err)
	}
	return value, nil
}

// bound is what a sealed value belongs to.
func bound(region, name string) []byte { return []byte(region + "/" + name) }

// SealFor closes a value that belongs to something (an ARN, as that of a certificate). OpenFor opens it for that alone.
func (k *Keys) SealFor(owner string, value []byte) []byte {
	s := k.Seal("", owner, value, time.Time{})
	return append([]byte(s.SealedBy), s.Sealed...)
}

// OpenFor gives a value that SealFor has closed. The error wraps ErrWrongKey if the key is another one.
func (k *Keys) OpenFor(owner string, sealed []byte) ([]byte, error) {
	n := len(k.all[0].id)
	if len(sealed) < n {
		return nil, fmt.Errorf("open what %s has: it is cut short", owner)
	}
	return k.Open(&model.StoredSecret{Name: owner, SealedBy: string(sealed[:n]), Sealed: sealed[n:]})
}
