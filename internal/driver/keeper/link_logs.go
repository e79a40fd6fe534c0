package keeper

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/maitred/maitred/internal/driver"
)

// Logs tells what a container wrote; see driver.Driver. When the connection breaks, it goes on over a new one where it
// was.
func (l *Link) Logs(ctx context.Context, id string, o driver.LogOptions) iter.Seq2[driver.Line, error] {
	return func(yield func(driver.Line, error) bool) {
		mark := driver.Mark{At: o.Since}
		for again := true; again; {
			again = false
			c, err := l.Client(ctx)
			if err != nil {
				yield(driver.Line{}, err)
				return
			}
			open := func(since time.Time) iter.Seq2[driver.Line, error] {
				return c.Logs(ctx, id, driver.LogOptions{Since: since, Follow: o.Follow})
			}
			for line, err := range mark.After(open) {
				if again = errors.Is(err, ErrBroken); again {
					l.log.Warn("the keeper is connected again", "reason", err)
					break
				}
				if !yield(line, err) {
					return
				}
				mark.Take(line)
			}
		}
	}
}
