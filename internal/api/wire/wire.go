// Package wire speaks the protocols of the AWS APIs: one [http.Handler] that
// finds out which service, operation and protocol a request is for, decodes the
// body into the AWS SDK's own Input struct, calls the operation, and writes its
// Output struct or its error the way that the caller's SDK expects.
//
// Data flow: headers and form → route (service, operation, protocol) → body
// (limits, gzip) → codec → the operation's handler → codec → one write. What the
// services are and what their operations do is told by [Service] values, which
// other packages build with one line per operation ([Op], [Refuse]).
//
// Guarantees: a request gets exactly one answer in its own protocol, whatever is
// sent; bad input is a 4xx with a code that AWS uses and a text that names the
// member; a panic or an error that is not an [*Error] is a 500 with a generic
// text, logged once. Signatures and required members are not checked here.
package wire

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"
)

const (
	// defaultRegion is the region of requests that name none.
	defaultRegion = "us-east-1"
	// defaultBodyBytesMax is the largest request body, before and after
	// decompression.
	defaultBodyBytesMax = 8 << 20
)

// Config is what a [Handler] can be told. The zero value is usable.
type Config struct {
	// Region is that of requests without a credential scope. Default us-east-1.
	Region string
	// BodyBytesMax bounds a request body in bytes, as sent and again as
	// decompressed. Default 8 MiB.
	BodyBytesMax int64
	// NewRequestID makes the id of each request; it must be safe for concurrent
	// use. Default: random UUIDs.
	NewRequestID func() string
	// Log gets internal errors and panics. Default: nothing is logged.
	Log *slog.Logger
	// Told is told of each request when its answer is made; it must be safe for concurrent use. Nil: nobody.
	Told func(Done)
}

// Done is what became of a request.
type Done struct {
	// Service and Operation are "" for a request that names none that is known.
	Service, Operation string
	Code               string // of the error; "" for none
	Took               time.Duration
}

// withDefaults fills what is not set and checks what is.
func (c Config) withDefaults() (Config, error) {
	if c.Region == "" {
		c.Region = defaultRegion
	}
	if !validRegion(c.Region) {
		return c, fmt.Errorf("default region %q: expected lower-case letters, digits and hyphens", c.Region)
	}
	if c.BodyBytesMax == 0 {
		c.BodyBytesMax = defaultBodyBytesMax
	}
	if c.BodyBytesMax < 0 {
		return c, fmt.Errorf("body limit of %d bytes: must be positive", c.BodyBytesMax)
	}
	if c.NewRequestID == nil {
		c.NewRequestID = newUUID
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// newUUID returns a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: it ends the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
