// Package rollout says how many tasks of a service may start and stop now, so that a deployment goes on within
// minimumHealthyPercent and maximumPercent ("Amazon ECS rolling update deployments"), when a deployment has failed, and
// which one is rolled out in its place. It is arithmetic on counts; which tasks are meant, and where they go, others decide.
package rollout

// Counts describe a service at one moment. Fresh tasks are those that shall stay: of the primary deployment, on a
// machine that is not being drained. Stale ones shall go: older revisions, and tasks on draining machines. A task counts
// as alive from its creation until it is asked to stop or has ended.
type Counts struct {
	Desired int
	Lower   int // fewest healthy tasks, see Bounds
	Upper   int // most tasks alive

	Fresh          int // alive
	FreshHealthy   int
	FreshUnhealthy int
	FreshProtected int // healthy, and protected from scale-in
	FreshHeld      int // neither healthy nor unhealthy yet, and protected

	Stale          int // alive
	StaleHealthy   int
	StaleUnhealthy int
	StaleProtected int // healthy, and protected from scale-in
	StaleHeld      int // neither healthy nor unhealthy yet, and protected
	StaleOwed      int // likewise, and not protected: on their way to be healthy, of a revision that is known to work
	StaleSurplus   int // not yet RUNNING, and not wanted any more: may go at any time
	StaleLost      int // missing: ended by themselves and not replaced

	Leaving int // asked to stop, not yet ended

	// Hold says that a deployment failed and is not rolled back, so that the one before it keeps the service as it is: its
	// tasks are the fresh ones, the healthy tasks of the failed one are the stale ones, and stay as long as they are needed.
	Hold bool
	// Frozen says that the deployment failed and there is none before it: nothing starts.
	Frozen bool
}

// wanted is how many fresh tasks there shall be.
func (c *Counts) wanted() int {
	if c.Hold {
		return max(0, c.Desired-c.StaleHealthy)
	}
	return c.Desired
}

// Bounds gives the fewest healthy and the most alive tasks of a service in numbers: the lower one is rounded up, the
// upper one down ("DeploymentConfiguration").
func Bounds(desired, minHealthyPercent, maxPercent int) (lower, upper int) {
	return (desired*minHealthyPercent + 99) / 100, desired * maxPercent / 100
}

// Allowance is how many tasks may start and stop now.
type Allowance struct {
	Start         int // fresh ones
	Restore       int // stale ones that were lost
	StopSurplus   int // fresh ones beyond the desired count; those that do not run yet go first
	StopUnhealthy int // fresh ones
	StopUseless   int // stale ones: all that are surplus, and of the unhealthy ones those that may go
	StopStale     int // other stale ones; those that are not healthy yet go first

	// Stuck says that the percentages leave no room for any step and that waiting will not help.
	Stuck bool
	// Protected is how many tasks would stop, were they not protected.
	Protected int
}

// Idle says that nothing may start or stop.
func (a Allowance) Idle() bool {
	return a.Start+a.Restore+a.StopSurplus+a.StopUnhealthy+a.StopUseless+a.StopStale == 0
}

// Decide says what may happen now. Applied again to the counts that result, it comes to rest: with nothing else
// changing, the second answer is idle.
func Decide(c Counts) Allowance {
	var a Allowance
	good := c.Fresh - c.FreshUnhealthy // healthy or may become so
	c.FreshHealthy -= a.stopSurplus(c, good)
	a.stopUseless(c)
	a.stopStale(c, good)
	a.stopUnhealthy(c, good)
	a.start(c, good)
	a.Stuck = a.Idle() && !c.Frozen && good < c.wanted() && good == c.FreshHealthy && c.Leaving == 0 &&
		c.Stale > 0 && c.Stale == c.StaleHealthy && a.Protected == 0
	return a
}

// stopSurplus is scale-in: fresh tasks beyond the desired count, without the protected ones. It tells how many of them are
// healthy.
func (a *Allowance) stopSurplus(c Counts, good int) (healthy int) {
	over := max(0, good-c.Desired)
	free := good - c.FreshHealthy - c.FreshHeld
	a.StopSurplus = min(over, free+min(c.FreshHealthy-c.FreshProtected, c.spare()))
	a.Protected = over - a.StopSurplus
	return max(0, a.StopSurplus-free)
}

// spare is how many healthy tasks may stop.
func (c *Counts) spare() int {
	least := c.Lower
	if c.Hold { // nothing is being replaced
		least = max(least, c.Desired)
	}
	return max(0, c.FreshHealthy+c.StaleHealthy-least)
}

// urgent is how many of the lost tasks come back before fresh ones start: those that the lower bound needs.
func (c *Counts) urgent() int {
	return min(c.StaleLost, max(0, c.Lower-c.FreshHealthy-c.StaleHealthy-c.StaleHeld-c.StaleOwed))
}

// stopUseless lets unhealthy stale tasks go, but not so many that fewer tasks run than the lower bound says: where most of
// them turn unhealthy together, what they all need is away, and to answer badly is better than not to answer at all.
func (a *Allowance) stopUseless(c Counts) {
	run := c.FreshHealthy + c.FreshUnhealthy - c.replaced() + c.StaleHealthy + c.StaleUnhealthy
	a.StopUseless = c.StaleSurplus + min(c.StaleUnhealthy, max(0, run-c.Lower))
}

// replaced is how many unhealthy fresh tasks others stand in for.
func (c *Counts) replaced() int {
	return min(max(0, c.FreshHealthy+c.FreshUnhealthy-c.wanted()), c.FreshUnhealthy)
}

// kept is how many unhealthy stale tasks do not stop.
func (a *Allowance) kept(c Counts) int { return c.StaleUnhealthy + c.StaleSurplus - a.StopUseless }

// stopStale lets stale tasks go that a healthy fresh one stands in for, or that are in the way of one. Where too few
// tasks are healthy, those that will soon be are not in the way.
func (a *Allowance) stopStale(c Counts, good int) {
	useful := c.Stale - c.StaleUnhealthy - c.StaleSurplus
	stoodInFor := useful + c.FreshHealthy - c.Desired
	inTheWay := c.wanted() - good - (c.Upper - c.Fresh - useful - a.kept(c) - c.urgent())
	if good >= c.wanted() || c.Frozen {
		inTheWay = 0
	}
	wanted := min(max(stoodInFor, inTheWay, 0), useful)
	needed := max(0, c.Lower-c.FreshHealthy-c.StaleHealthy-c.StaleHeld)
	unready := useful - c.StaleHealthy - min(c.StaleOwed, needed)
	a.StopStale = min(wanted, unready-c.StaleHeld+min(c.StaleHealthy-c.StaleProtected, c.spare()))
	a.Protected += min(wanted, unready+min(c.StaleHealthy, c.spare())) - a.StopStale
}

// stopUnhealthy lets unhealthy fresh tasks go once their replacements are healthy, or unhealthy too; and one at a time,
// stale ones first, where maximumPercent forbids to start the replacement first ("Amazon ECS services", unhealthy tasks).
func (a *Allowance) stopUnhealthy(c Counts, good int) {
	replaced := c.replaced()
	noRoom := c.Fresh+c.Stale-a.stops() >= c.Upper
	if inTurn := replaced+a.StopUseless == c.StaleSurplus && noRoom && good < c.wanted() && good == c.FreshHealthy && !c.Frozen; inTurn && a.kept(c) > 0 {
		a.StopUseless++
	} else if inTurn && c.FreshUnhealthy > 0 {
		replaced = 1
	}
	a.StopUnhealthy = replaced
}

// start fills the room under the upper bound: fresh tasks first, but for as many lost ones as the lower bound needs.
func (a *Allowance) start(c Counts, good int) {
	if c.Frozen {
		return
	}
	room := max(0, c.Upper-(c.Fresh+c.Stale-a.stops()))
	fresh := max(0, c.wanted()-good)
	lost := min(c.StaleLost, max(0, c.Desired-c.FreshHealthy-(c.Stale-c.StaleUnhealthy-c.StaleSurplus-a.StopStale)))
	a.Start = min(fresh, room-min(lost, room, c.urgent()))
	a.Restore = min(lost, room-a.Start)
}

func (a *Allowance) stops() int {
	return a.StopSurplus + a.StopUnhealthy + a.StopUseless + a.StopStale
}

// Complete says that a deployment is over: the desired number of fresh tasks is healthy and nothing stale is left.
// staleRunning counts stale tasks whose containers still run, asked to stop or not.
func Complete(c Counts, staleRunning int) bool {
	return c.FreshHealthy >= c.Desired && c.Stale == 0 && staleRunning == 0
}
