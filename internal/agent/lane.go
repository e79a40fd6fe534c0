package agent

import "slices"

// lane bounds how many of the driver's calls of one sort are under way. It belongs to the loop.
type lane struct {
	l     *loop
	limit int
	busy  int
	queue []*job
}

// job is a call of the driver, made off the loop. What it returns is done on the loop, with the outcome.
type job struct {
	do func() (then func())
}

// add does a job as soon as there is room.
func (n *lane) add(do func() (then func())) *job {
	j := &job{do: do}
	n.queue = append(n.queue, j)
	n.next()
	return j
}

// drop takes a job back that has not begun; false if it has.
func (n *lane) drop(j *job) bool {
	i := slices.Index(n.queue, j)
	if i < 0 {
		return false
	}
	n.queue = slices.Delete(n.queue, i, i+1)
	return true
}

func (n *lane) next() {
	for n.busy < n.limit && len(n.queue) > 0 {
		j := n.queue[0]
		n.queue[0] = nil
		n.queue = n.queue[1:]
		n.busy++
		n.l.group.Go(func() {
			then := j.do()
			n.l.a.post(n.l.ctx, func(*loop) {
				n.busy--
				n.next()
				then()
			})
		})
	}
}
