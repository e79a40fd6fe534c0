package store

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/maitred/maitred/internal/model"
)

// Encode gives the durable form of a record: JSON. Times keep their instant to the nanosecond and are UTC after
// decoding if they were UTC before (time zones and monotonic clock readings are not kept); zero times, and what else
// is empty and marked so in the model, are left out.
func Encode(r model.Record) ([]byte, error) {
	k := r.Key()
	if !utf8.ValidString(k.Path) {
		return nil, fmt.Errorf("%w: the key %q is not UTF-8", ErrInvalid, k)
	}
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", k, err)
	}
	return data, nil
}

// Decode reads a record that Encode wrote. A record that says another key than the one under which it was found is an
// error: to act on it would be to act on somebody else's behalf.
func Decode(k model.Key, data []byte) (model.Record, error) {
	r := model.New(k.Kind)
	if r == nil {
		return nil, fmt.Errorf("%w: unknown table %q", ErrInvalid, k.Kind)
	}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("decode %s: %w", k, err)
	}
	if got := r.Key(); got != k {
		return nil, fmt.Errorf("%w: the record under %s is that of %s", ErrInvalid, k, got)
	}
	return r, nil
}
