package keeper

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/maitred/maitred/internal/driver"
)

// Version is the protocol's version. It changes only when an older keeper could misunderstand a newer client; what can
// be added as an optional member is.
const Version = 1

// maxFrame bounds a frame in bytes. Linux takes at most 2 MiB of arguments and environment in all.
const maxFrame = 4 << 20

// Spec is a program to run.
type Spec struct {
	ID         string   `json:"id"`
	Argv       []string `json:"argv"` // the program, looked up as execvp does, and its arguments
	Env        []string `json:"env,omitempty"`
	Dir        string   `json:"dir"`            // absolute
	User       string   `json:"user,omitempty"` // name or uid, then optionally :group; "" for the keeper's own
	Limits     []Limit  `json:"limits,omitempty"`
	StopSignal string   `json:"stop,omitempty"` // "" for SIGTERM
	// Runtime makes it a container of an OCI runtime; then only ID and StopSignal count of the above.
	Runtime *Runtime `json:"runtime,omitempty"`
	// Namespaces are new ones for the program to run in: pid, ipc. Of the first one it is the init process.
	Namespaces []string `json:"namespaces,omitempty"`
}

// Limit is a resource limit, by ECS's name of it ("Ulimit"); -1 is no limit.
type Limit struct {
	Name string `json:"name"`
	Soft int64  `json:"soft"`
	Hard int64  `json:"hard"`
}

type op string

const (
	opHello  op = "hello"
	opStart  op = "start"
	opSignal op = "signal"
	opKill   op = "kill"
	opRemove op = "remove"
	opList   op = "list"
	opWatch  op = "watch"
	opExec   op = "exec"
	opCancel op = "cancel"
	opUsage  op = "usage"
	opLogs   op = "logs"
	opFollow op = "follow"
	opStop   op = "stop"
	opPlace  op = "place"
)

// request is what a client sends. Seq names it in the responses, which may come in any order.
type request struct {
	Seq     uint64   `json:"seq"`
	Op      op       `json:"op"`
	ID      string   `json:"id,omitempty"`
	Signal  string   `json:"signal,omitempty"`
	Start   *Spec    `json:"start,omitempty"`
	Command []string `json:"command,omitempty"`
	// Terminal says that the first of an exec's descriptors is its terminal, and Files how many come with the request.
	Terminal bool   `json:"terminal,omitempty"`
	Files    int    `json:"files,omitempty"`
	Target   uint64 `json:"target,omitempty"` // the request that a cancel is about
	// File is the newest file of a log that a follower knows, and Size what it has read of that, in bytes.
	File string `json:"file,omitempty"`
	Size int64  `json:"size,omitempty"`
}

// response answers a request; a watch has many: first one with All, then one with Status for every change.
type response struct {
	Seq     uint64                  `json:"seq"`
	Error   *failure                `json:"error,omitempty"`
	Status  *driver.Status          `json:"status,omitempty"`
	All     []driver.Status         `json:"all,omitempty"`
	Usage   map[string]driver.Usage `json:"usage,omitempty"`
	Exit    int                     `json:"exit,omitempty"`
	Output  []byte                  `json:"output,omitempty"`  // of an older keeper, which takes no descriptors
	Streams bool                    `json:"streams,omitempty"` // it takes them
	Binds   bool                    `json:"binds,omitempty"`   // it mounts a runtime's Binds
	Files   []string                `json:"files,omitempty"`
	Ended   bool                    `json:"ended,omitempty"` // nothing will be added to the files
	PID     int                     `json:"pid,omitempty"`
	Dir     string                  `json:"dir,omitempty"`
	Version int                     `json:"version,omitempty"`
}

// failure is an error on the wire.
type failure struct {
	Name string `json:"name,omitempty"` // of a driver.Failure
	Text string `json:"text"`
}

// toFailure puts an error on the wire, nil for nil.
func toFailure(err error) *failure {
	if err == nil {
		return nil
	}
	if named, ok := errors.AsType[*driver.Failure](err); ok {
		return &failure{Name: named.Name, Text: named.Err.Error()}
	}
	return &failure{Text: err.Error()}
}

// err takes an error from the wire, nil for nil.
func (f *failure) err() error {
	if f == nil {
		return nil
	}
	if f.Name != "" {
		return &driver.Failure{Name: f.Name, Err: errors.New(f.Text)}
	}
	return errors.New("keeper: " + f.Text)
}

// cannotStart and cannotCreate are the errors of a start, by ECS's names.
func cannotStart(format string, args ...any) error {
	return &driver.Failure{Name: "CannotStartContainerError", Err: fmt.Errorf(format, args...)}
}

func cannotCreate(format string, args ...any) error {
	return &driver.Failure{Name: "CannotCreateContainerError", Err: fmt.Errorf(format, args...)}
}

// errFrame says that what came is no frame; the connection is of no further use.
var errFrame = errors.New("malformed frame")

// readFrame reads one frame: four bytes of length, big endian, then JSON. The error is io.EOF between two frames, wraps
// errFrame for what is none, else is the reader's.
func readFrame(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxFrame {
		return fmt.Errorf("%w of %d bytes, at most %d are allowed", errFrame, size, maxFrame)
	}
	// Read by a limited reader: the memory taken grows with what arrives, not with what was promised.
	body, err := io.ReadAll(io.LimitReader(r, int64(size)))
	if err != nil {
		return err
	}
	if len(body) < int(size) {
		return io.ErrUnexpectedEOF
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	return nil
}

// appendFrame encodes one frame.
func appendFrame(v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(body) > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes, at most %d are allowed", len(body), maxFrame)
	}
	frame := make([]byte, 4, 4+len(body))
	binary.BigEndian.PutUint32(frame, uint32(len(body)))
	return append(frame, body...), nil
}
