package agent

import "context"

// Settle waits until the agent has nothing to do before its store, its driver or its clock tell it something new: what
// is wanted is begun, what was seen is written, and no call of the driver is under way. It is for those that move the
// clock by hand.
func (a *Agent) Settle(ctx context.Context) error {
	settled := make(chan struct{})
	if err := a.ask(ctx, func(l *loop) { l.settlers = append(l.settlers, settled) }); err != nil {
		return err
	}
	select {
	case <-settled:
		return nil
	case <-a.over:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// checkSettled tells those who wait for there to be nothing to do. Whatever there is still to do ends in an event, after
// which the loop looks here again.
func (l *loop) checkSettled() {
	if len(l.settlers) == 0 || !l.settled() {
		return
	}
	for _, c := range l.settlers {
		close(c)
	}
	l.settlers = nil
}

func (l *loop) settled() bool {
	due := len(l.alarms) > 0 && !l.now().Before(l.alarms[0].at)
	return l.ready && !due && len(l.changes.C()) == 0 && len(l.a.events) == 0 &&
		l.starts.idle() && l.stops.idle() && l.checks.idle() && l.guards.idle() && l.writer.idle()
}

func (n *lane) idle() bool { return n.busy == 0 && len(n.queue) == 0 }

// idle says that everything was written, and that the loop knows.
func (w *writer) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.pending) == 0 && w.untold == 0
}

// told notes that the loop knows what was written.
func (w *writer) told() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.untold--
}
