package block

import (
	"math/bits"

	"github.com/maitred/maitred/internal/metrics"
)

// Builder merges blocks: points of the same offset become one. A zero Builder is ready; it keeps its memory for the next
// block.
type Builder struct {
	// Split keeps points of a minute's resolution apart from those of a second's.
	Split bool
	sets  [2 * (MaxOffset + 1)]Set
	used  [2 * (MaxOffset + 1) / 64]uint64
}

// Add adds the points of a block, whose first offset is base in a span that is div times coarser: a point of offset o is put
// at (base + o) / div. What is read before damage is found stays.
func (b *Builder) Add(from []byte, base, div int) error {
	for len(from) > 0 {
		p, rest, err := Next(from)
		if err != nil {
			return err
		}
		at := (base + p.Offset) / div
		if at < 0 || at > MaxOffset {
			return ErrDamaged
		}
		if err := p.AddTo(b.at(at, p.Minute && b.Split), true); err != nil {
			return err
		}
		from = rest
	}
	return nil
}

func (b *Builder) at(offset int, minute bool) *Set {
	i := 2 * offset
	if minute {
		i++
	}
	b.used[i/64] |= 1 << (i % 64)
	return &b.sets[i]
}

// AppendTo writes the block behind dst and begins a new one.
func (b *Builder) AppendTo(dst []byte) []byte {
	for w := range b.used {
		for word := b.used[w]; word != 0; word &= word - 1 {
			i := w*64 + bits.TrailingZeros64(word)
			s := &b.sets[i]
			dst = Append(dst, i/2, i%2 == 1, s)
			s.Stats = metrics.Stats{}
			s.Values.Reset()
		}
		b.used[w] = 0
	}
	return dst
}
