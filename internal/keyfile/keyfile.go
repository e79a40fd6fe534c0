// Package keyfile keeps keys in files that nobody but their owner may read: a key a line, in hex.
package keyfile

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Bytes is the length of a key.
const Bytes = 32

// New makes a key.
func New() []byte {
	raw := make([]byte, Bytes)
	_, _ = rand.Read(raw) // never fails: it ends the program instead
	return raw
}

// Read gives the keys of a file, in its order. The error wraps fs.ErrNotExist if there is none, and never tells a key.
func Read(path string) ([][]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): make it 0600", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	keys, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

// ReadOrMake is Read, and makes the file first, with a new key, if there is none. Of two processes that do so at once both
// get one key.
func ReadOrMake(path string) ([][]byte, error) {
	keys, err := Read(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	temporary, err := writeAside(path, [][]byte{New()})
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(temporary) }() // at worst a small file stays
	if err := os.Link(temporary, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return Read(path)
}

// Write puts keys into a file, in place of what it holds: it is the old one or the new one, whenever the program ends.
func Write(path string, keys [][]byte) error {
	temporary, err := writeAside(path, keys)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return nil
}

func parse(text []byte) ([][]byte, error) {
	var keys [][]byte
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		raw, err := hex.DecodeString(string(line))
		if err != nil || len(raw) != Bytes {
			return nil, fmt.Errorf("a line is no key: want %d hex digits", 2*Bytes)
		}
		keys = append(keys, raw)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("it holds no key: want lines of %d hex digits", 2*Bytes)
	}
	return keys, nil
}

// writeAside writes a file beside another one, for its owner alone.
func writeAside(path string, keys [][]byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-*") // of mode 0600
	if err != nil {
		return "", err
	}
	var text []byte
	for _, key := range keys {
		text = append(hex.AppendEncode(text, key), '\n')
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}
