package agent

import "time"

// halting is an order to stop everything.
type halting struct {
	reason string
	killBy time.Time
	quiet  []chan<- struct{} // closed when nothing is left to stop
}

func (l *loop) halt(reason string, grace time.Duration, quiet chan<- struct{}) {
	if l.halting == nil {
		l.halting = &halting{reason: reason}
	}
	l.halting.killBy = l.now().Add(grace)
	l.halting.quiet = append(l.halting.quiet, quiet)
	for _, e := range l.tasks {
		if e.life != nil {
			e.life.Halt(reason, l.halting.killBy)
			l.touch(e)
		}
	}
}

// checkQuiet tells those who wait for everything to have stopped, and to have been written.
func (l *loop) checkQuiet() {
	if l.halting == nil || len(l.halting.quiet) == 0 || !l.ready {
		return
	}
	for _, e := range l.tasks {
		if e.life != nil && (e.life.Begun() || e.life.Over()) {
			return
		}
	}
	if len(l.strays) > 0 {
		return
	}
	for _, b := range l.boxes {
		if !b.tried { // one that cannot be released is left to the next agent
			return
		}
	}
	for _, c := range l.halting.quiet {
		close(c)
	}
	l.halting.quiet = nil
}
