package metadata

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

const (
	keyBytes = 32
	idBytes  = 20 // of a code in an id
)

// Key is the key of a machine that ids are made with.
type Key struct{ raw []byte }

// NewKey makes a key of 32 bytes.
func NewKey(raw []byte) (*Key, error) {
	if len(raw) != keyBytes {
		return nil, fmt.Errorf("the key of the metadata endpoint has %d bytes, want %d", len(raw), keyBytes)
	}
	return &Key{raw: raw}, nil
}

// LoadKey reads the key file, of 64 hex digits, which is made first if there is none. Nobody but its owner may read it.
func LoadKey(path string) (*Key, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := writeKey(path); err != nil {
			return nil, fmt.Errorf("make the key of the metadata endpoint: %w", err)
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of the metadata endpoint: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the key of the metadata endpoint: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): make it 0600", path, info.Mode().Perm())
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s is no key: want %d hex digits", path, 2*keyBytes)
	}
	return NewKey(raw)
}

// writeKey links the file into place when it is whole.
func writeKey(path string) error {
	var raw [keyBytes]byte
	_, _ = rand.Read(raw[:])                                              // never fails: it ends the program instead
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // at worst a small file stays
	_, err = f.WriteString(hex.EncodeToString(raw[:]) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// code is the code over words; no two lists of words have one in common.
func (k *Key) code(words ...string) []byte {
	mac := hmac.New(sha256.New, k.raw)
	for _, w := range words {
		_, _ = fmt.Fprintf(mac, "%d:%s", len(w), w) // a hash never fails
	}
	return mac.Sum(nil)
}

// id begins with the task's id, by which the task is found again.
func (k *Key) id(task string, words ...string) string {
	return model.ShortID(task) + "-" + hex.EncodeToString(k.code(append(words, task)...)[:idBytes])
}

// Container is the id of a container of a task (ARN) in the paths of the metadata and protection endpoints. Address is
// the task's own one, "" if it has none.
func (k *Key) Container(task, name, address string) string {
	return k.id(task, "container", name, address)
}

// Credentials is the id of a task in the path of the credentials endpoint.
func (k *Key) Credentials(task, address string) string { return k.id(task, "credentials", address) }

// Token is what a task sends as its Authorization where its credentials are not at the well-known address.
func (k *Key) Token(task string) string { return hex.EncodeToString(k.code("token", task)) }

// same compares in a time that does not tell how much of them is the same.
func same(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }
