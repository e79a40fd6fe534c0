package secrets

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/keyfile"
	"github.com/maitred/maitred/internal/model"
)

const maxKeys = 16

// ErrWrongKey says that a secret was sealed with another key than those at hand.
var ErrWrongKey = errors.New("the secret is sealed with another key")

// Keys are the keys of a key file: the first one seals, all open.
type Keys struct{ all []key }

type key struct {
	id   string // the beginning of the key's hash
	raw  []byte
	aead cipher.AEAD
}

// LoadKeys reads a key file (package keyfile); with create it is made first if there is none.
func LoadKeys(path string, create bool) (*Keys, error) {
	read := keyfile.Read
	if create {
		read = keyfile.ReadOrMake
	}
	raw, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("the key of secrets: %w", err)
	}
	if len(raw) > maxKeys {
		return nil, fmt.Errorf("the key of secrets: %s holds %d keys, want %d at most", path, len(raw), maxKeys)
	}
	keys := &Keys{}
	for _, one := range raw {
		k, err := newKey(one)
		if err != nil {
			return nil, fmt.Errorf("the key of secrets: %s: %w", path, err)
		}
		keys.all = append(keys.all, k)
	}
	return keys, nil
}

// newKey makes a key of what keyfile reads or makes.
func newKey(raw []byte) (key, error) {
	block, err := aes.NewCipher(raw)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return key{}, err
	}
	sum := sha256.Sum256(append([]byte("maitred key id "), raw...))
	return key{id: hex.EncodeToString(sum[:8]), raw: raw, aead: aead}, nil
}

// Save writes the keys to a file, in place of what it holds.
func (k *Keys) Save(path string) error {
	raw := make([][]byte, 0, len(k.all))
	for _, key := range k.all {
		raw = append(raw, key.raw)
	}
	if err := keyfile.Write(path, raw); err != nil {
		return fmt.Errorf("write the key of secrets: %w", err)
	}
	return nil
}

// Rotated gives the keys with a new one in front of them.
func (k *Keys) Rotated() (*Keys, error) {
	next, err := newKey(keyfile.New())
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
