package wire

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// The AWS SDK for Go v2 closes the body of its request as soon as the head of an answer is there. If its other goroutine
// has not seen the end of that body by then, although all bytes are sent, it takes the connection down, and what of the
// answer was not in the first read is lost: "deserialization failed, ... use of closed network
// connection". AWS is too far away for that. Here 2 of 100 calls with long answers failed.
const (
	// settling is how long such a client is given from its last byte to the head of the answer.
	settling = 2 * time.Millisecond
	// firstRead is what it reads at once, head and body, less the longest head of ours.
	firstRead = 4<<10 - 1<<10
)

// settle waits until a client can take the answer to a request whose body was read at that time.
func (c *call) settle(r *http.Request, a answer) {
	if len(a.body) <= firstRead || c.bodyRead.IsZero() || !strings.Contains(r.UserAgent(), "aws-sdk-go-v2/") {
		return
	}
	if rest := settling - time.Since(c.bodyRead); rest > 0 {
		wait(r.Context(), rest)
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
