package meter

import (
	"maps"
	"slices"
)

// span collects what a source told, by periods of one width.
type span struct {
	width  int64            // seconds
	open   map[int64]*open  // by the period's begin
	last   map[string]int64 // the period of which each task was told last
	closed int64            // the end of the last period that was told
}

func newSpan(width int64) span {
	return span{width: width, open: map[int64]*open{}, last: map[string]int64{}}
}

// open is a period that has not been told.
type open struct {
	begin   int64
	seconds int // that were measured
	tasks   map[string]*taskUse
	sheet   *sheet
}

// again is what a task uses in a period, of which is known what it was found to be in another one.
func (o *open) again(task string, known *taskUse) *taskUse {
	u := o.tasks[task]
	if u == nil {
		u = &taskUse{facts: known.facts, fine: known.fine}
		o.tasks[task] = u
	}
	return u
}

// at is the period of a second.
func (s *span) at(second int64) *open {
	begin := second - second%s.width
	o := s.open[begin]
	if o == nil {
		o = &open{begin: begin, tasks: map[string]*taskUse{}, sheet: newSheet()}
		s.open[begin] = o
	}
	return o
}

// take gives the periods that ended before or at a time, oldest first, and forgets them.
func (s *span) take(end int64) (over []*open) {
	for _, begin := range slices.Sorted(maps.Keys(s.open)) {
		if begin+s.width <= end {
			over = append(over, s.open[begin])
			delete(s.open, begin)
		}
	}
	return over
}

// tell notes that a period is told now, and takes out of it the tasks that were told of before. It says whether it was told
// before: then it is late.
func (s *span) tell(o *open) (late bool) {
	late = o.begin < s.closed
	for arn := range o.tasks {
		if late && s.last[arn] >= o.begin {
			delete(o.tasks, arn)
			continue
		}
		s.last[arn] = o.begin
	}
	for arn, at := range s.last {
		if at < o.begin-s.width {
			delete(s.last, arn)
		}
	}
	s.closed = max(s.closed, o.begin+s.width)
	return late
}
