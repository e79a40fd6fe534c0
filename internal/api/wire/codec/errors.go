package codec

import (
	"errors"
	"fmt"
	"strconv"
)

// ErrTooLarge reports a request that would take too much memory when decoded.
var ErrTooLarge = errors.New("the request would take too much memory when decoded")

// FieldError reports a value that does not fit the member it was sent for.
type FieldError struct {
	Path   string // from the top, as "containerDefinitions[0].cpu"; empty for the whole
	Reason string
}

// Error returns the path and the reason.
func (e *FieldError) Error() string {
	if e.Path == "" {
		return e.Reason
	}
	return e.Path + ": " + e.Reason
}

// SyntaxError reports bytes that are not of the format at all.
type SyntaxError struct {
	Format string // "JSON", "CBOR" or "query string"
	Offset int    // of the first byte that does not fit
	Reason string
}

// Error returns the format, the offset and the reason.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("malformed %s at byte %d: %s", e.Format, e.Offset, e.Reason)
}

func mismatch(want, got string) error {
	return &FieldError{Reason: "expected " + want + ", got " + got}
}

// under puts segment before the path of a FieldError on its way up.
func under(err error, segment string) error {
	var fe *FieldError
	if !errors.As(err, &fe) {
		return err
	}
	switch {
	case fe.Path == "":
		fe.Path = segment
	case fe.Path[0] == '[':
		fe.Path = segment + fe.Path
	default:
		fe.Path = segment + "." + fe.Path
	}
	return fe
}

func underIndex(err error, i int) error {
	if err == nil {
		return nil
	}
	return under(err, "["+strconv.Itoa(i)+"]")
}

func underKey(err error, key string) error {
	if err == nil {
		return nil
	}
	return under(err, "["+strconv.Quote(key)+"]")
}

// budget is the memory, in bytes, that a request may still take.
type budget int

func (b *budget) spend(n int) error {
	*b -= budget(n)
	if *b < 0 {
		return ErrTooLarge
	}
	return nil
}
