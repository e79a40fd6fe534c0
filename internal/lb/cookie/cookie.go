// Package cookie makes and reads the cookies with which a load balancer remembers where a client's requests go ("Sticky
// sessions"): sealed, so that no client can choose a target or learn which ones there are, and dated within the seal, so
// that they end when they should whatever a client does with them.
package cookie

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// The names of the cookies, without the suffix CORS of the copy for requests from other sites.
const (
	Target      = "AWSALB"      // of a target, for as long as the group says
	Application = "AWSALBAPP-0" // of a target, beside a cookie of the application
	Group       = "AWSALBTG"    // of a target group, for as long as the rule says
)

// browserLife is what clients are told, always; how long a cookie is good for is in its seal.
const browserLife = 7 * 24 * time.Hour

// ID stands for a target or a target group in a cookie.
type ID [16]byte

// NewID gives the ID of a target's path or a group's ARN.
func NewID(name string) ID {
	sum := sha256.Sum256([]byte(name))
	return ID(sum[:16])
}

// Sealer seals and opens cookies. All balancers with the same secret open each other's.
type Sealer struct{ aead cipher.AEAD }

// NewSealer makes a sealer from a secret of at least 16 bytes.
func NewSealer(secret []byte) (*Sealer, error) {
	if len(secret) < 16 {
		return nil, fmt.Errorf("the secret of cookies has %d bytes, and 16 are the least", len(secret))
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "load balancer cookies", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key of cookies: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make the cipher of cookies: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make the cipher of cookies: %w", err)
	}
	return &Sealer{aead}, nil
}

// sealed is how long what is inside is: when it was made, and an ID.
const sealed = 8 + 16

// Seal makes the value of the cookie of a name. The name is sealed with it: the value is good for no other one.
func (s *Sealer) Seal(name string, id ID, now time.Time) string {
	nonce := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+sealed+s.aead.Overhead())
	_, _ = rand.Read(nonce) // never fails
	plain := binary.BigEndian.AppendUint64(make([]byte, 0, sealed), uint64(now.Unix()))
	plain = append(plain, id[:]...)
	return base64.StdEncoding.EncodeToString(s.aead.Seal(nonce, nonce, plain, []byte(name)))
}

// Open reads a value; ok is false for one that is not ours or that was made longer ago than life.
func (s *Sealer) Open(name, value string, life time.Duration, now time.Time) (id ID, ok bool) {
	size := s.aead.NonceSize() + sealed + s.aead.Overhead()
	if len(value) != base64.StdEncoding.EncodedLen(size) {
		return id, false
	}
	raw, err := base64.StdEncoding.DecodeString(value)
	if err != nil || len(raw) != size {
		return id, false
	}
	plain, err := s.aead.Open(nil, raw[:s.aead.NonceSize()], raw[s.aead.NonceSize():], []byte(name))
	if err != nil {
		return id, false
	}
	age := now.Unix() - int64(binary.BigEndian.Uint64(plain)) //nolint:gosec // sealed by ourselves
	if age < -60 || age >= int64(life/time.Second) {
		return id, false
	}
	return ID(plain[8:]), true
}

// SetCookies gives the values of the Set-Cookie fields that hand a cookie to a client; those of targets and groups come
// twice, as clients send a cookie without SameSite to the site alone.
func SetCookies(name, value string, now time.Time) []string {
	tail := "; Expires=" + now.Add(browserLife).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") + "; Path=/"
	first := name + "=" + value + tail
	if name == Application {
		return []string{first}
	}
	return []string{first, name + "CORS=" + value + tail + "; SameSite=None; Secure"}
}

// Find looks for a cookie in the Cookie fields of a request; the first one of the name counts.
func Find(fields []string, name string) (value string, ok bool) {
	for _, field := range fields {
		for pair := range strings.SplitSeq(field, ";") {
			k, v, found := strings.Cut(strings.Trim(pair, " \t"), "=")
			if found && k == name {
				return strings.Trim(v, "\""), true
			}
		}
	}
	return "", false
}

// Sealed looks for one of our cookies, or its copy for other sites, and opens it.
func (s *Sealer) Sealed(fields []string, name string, life time.Duration, now time.Time) (id ID, ok bool) {
	for _, n := range []string{name, name + "CORS"} {
		if value, found := Find(fields, n); found {
			if id, ok = s.Open(name, value, life, now); ok {
				return id, true
			}
		}
	}
	return id, false
}

// Sets says whether one of the Set-Cookie fields of a response sets the cookie of a name.
func Sets(fields []string, name string) bool {
	for _, field := range fields {
		if k, _, found := strings.Cut(field, "="); found && strings.Trim(k, " \t") == name {
			return true
		}
	}
	return false
}
