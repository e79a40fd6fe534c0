package agent

import (
	"container/heap"
	"time"
)

// alarm is something that is due at a time. It is set and rung by the loop alone.
type alarm struct {
	at    time.Time
	ring  func()
	index int // in alarms, -1 while it is not set
}

func newAlarm(ring func()) alarm { return alarm{ring: ring, index: -1} }

// alarms are those that are set, the earliest first.
type alarms []*alarm

func (s alarms) Len() int           { return len(s) }
func (s alarms) Less(i, j int) bool { return s[i].at.Before(s[j].at) }
func (s alarms) Swap(i, j int)      { s[i], s[j] = s[j], s[i]; s[i].index, s[j].index = i, j }

// Push implements heap.Interface.
func (s *alarms) Push(x any) {
	a := x.(*alarm)
	a.index = len(*s)
	*s = append(*s, a)
}

// Pop implements heap.Interface.
func (s *alarms) Pop() any {
	last := len(*s) - 1
	a := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	a.index = -1
	return a
}

// set makes an alarm ring at a time, or not at all if it is zero.
func (s *alarms) set(a *alarm, at time.Time) {
	a.at = at
	switch {
	case at.IsZero() && a.index < 0:
	case at.IsZero():
		heap.Remove(s, a.index)
	case a.index < 0:
		heap.Push(s, a)
	default:
		heap.Fix(s, a.index)
	}
}

// ring rings what is due.
func (s *alarms) ringDue(now time.Time) {
	for len(*s) > 0 && !now.Before((*s)[0].at) {
		heap.Pop(s).(*alarm).ring()
	}
}
