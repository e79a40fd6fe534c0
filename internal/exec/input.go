package exec

import (
	"io"
	"sync"
)

// input is standard input on its way to the command: what came and was not read yet, at most a window of it.
type input struct {
	read func(n int) // is told how much was read

	mu    sync.Mutex
	more  sync.Cond
	bytes []byte
	ended bool
}

func newInput(read func(n int)) *input {
	in := &input{read: read}
	in.more.L = &in.mu
	return in
}

// add takes what came. It is an error to send more than there was room for.
func (in *input) add(p []byte) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.bytes)+len(p) > window {
		return errProtocol
	}
	if !in.ended {
		in.bytes = append(in.bytes, p...)
		in.more.Signal()
	}
	return nil
}

// end says that nothing more will come.
func (in *input) end() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.ended = true
	in.more.Broadcast()
}

// Read implements io.Reader; it waits for what comes.
func (in *input) Read(p []byte) (int, error) {
	in.mu.Lock()
	for len(in.bytes) == 0 && !in.ended && len(p) > 0 {
		in.more.Wait()
	}
	n := copy(p, in.bytes)
	in.bytes = in.bytes[n:]
	if len(in.bytes) == 0 {
		in.bytes = nil
	}
	over := n == 0 && in.ended
	in.mu.Unlock()
	if over {
		return 0, io.EOF
	}
	in.read(n)
	return n, nil
}

// room is how much input may still be sent.
type room struct {
	mu   sync.Mutex
	more sync.Cond
	left int
	over bool
}

func newRoom() *room {
	r := &room{left: window}
	r.more.L = &r.mu
	return r
}

// take waits until there is some, and takes at most n of it; 0 says that nothing may be sent any more.
func (r *room) take(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.left == 0 && !r.over {
		r.more.Wait()
	}
	if r.over {
		return 0
	}
	n = min(n, r.left)
	r.left -= n
	return n
}

// add gives room back.
func (r *room) add(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left += n
	r.more.Signal()
}

func (r *room) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	r.more.Broadcast()
}
