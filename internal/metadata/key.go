package metadata

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/maitred/maitred/internal/keyfile"
	"github.com/maitred/maitred/internal/model"
)

const idBytes = 20 // of a code in an id

// Key is the key of a machine that ids are made with.
type Key struct{ raw []byte }

// NewKey makes a key of 32 bytes.
func NewKey(raw []byte) (*Key, error) {
	if len(raw) != keyfile.Bytes {
		return nil, fmt.Errorf("the key of the metadata endpoint has %d bytes, want %d", len(raw), keyfile.Bytes)
	}
	return &Key{raw: raw}, nil
}

// LoadKey reads the key file (package keyfile), which is made first if there is none.
func LoadKey(path string) (*Key, error) {
	keys, err := keyfile.ReadOrMake(path)
	if err != nil {
		return nil, fmt.Errorf("the key of the metadata endpoint: %w", err)
	}
	if len(keys) != 1 {
		return nil, fmt.Errorf("the key of the metadata endpoint: %s holds %d keys, want one", path, len(keys))
	}
	return NewKey(keys[0])
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
