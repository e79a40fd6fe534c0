package rollout

// Healing is how far unhealthy tasks are replaced.
type Healing struct {
	Unhealthy int
	Coming    int // on their way to be healthy
	// Held is how many unhealthy tasks go on although nothing is on its way to their place: what may start is started, and
	// the bounds leave no room for more. Where a failed deployment is frozen, that is not what holds them.
	Held int
}

// Heal looks at what becomes of unhealthy tasks when what is allowed has been done.
func Heal(c Counts, a Allowance) Healing {
	h := Healing{Unhealthy: c.FreshUnhealthy + c.StaleUnhealthy}
	fresh := c.Fresh - c.FreshUnhealthy - a.StopSurplus + a.Start
	stale := c.Stale - c.StaleUnhealthy - c.StaleSurplus - a.StopStale + a.Restore
	h.Coming = max(0, fresh-c.FreshHealthy) + max(0, stale-c.StaleHealthy) // what is not healthy yet stops first
	if stay := c.FreshUnhealthy - a.StopUnhealthy + a.kept(c); !c.Frozen {
		h.Held = min(stay, max(0, c.Desired-fresh-stale))
	}
	return h
}
