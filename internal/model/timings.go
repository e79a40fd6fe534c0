package model

import "time"

// Timings are the delays that AWS chose for itself and that no member of its API sets.
type Timings struct {
	HealthyAfter     time.Duration
	FirstCheck       time.Duration
	SteadyRepeat     time.Duration
	DuplicateEvents  time.Duration
	ThrottleBase     time.Duration
	ThrottleCap      time.Duration
	QuickExit        time.Duration
	PlaceRetry       time.Duration
	StoppedRetention time.Duration
	WhyRetention     time.Duration
	ClosedRetention  time.Duration
	HistoryRetention time.Duration
	TokenLifetime    time.Duration
}

// TimingRow is one delay of the table that `maitred timings` prints.
type TimingRow struct {
	Name   string
	What   string
	Source string // the page of AWS's documentation, or why the value is ours
	ECS    time.Duration
	Fast   time.Duration
	field  func(*Timings) *time.Duration
}

const ours = "maitred"

// TimingTable lists every delay with AWS's value and with the one for a person in front of a terminal.
func TimingTable() []TimingRow {
	return []TimingRow{
		{
			"healthy-after", "a task without any check counts as healthy so long after it became RUNNING",
			"DeploymentConfiguration", 40 * time.Second, 2 * time.Second,
			func(t *Timings) *time.Duration { return &t.HealthyAfter },
		},
		{
			"first-check", "the first health check of a container comes so long after its start (0s: after one interval)",
			"HealthCheck", 0, 500 * time.Millisecond, func(t *Timings) *time.Duration { return &t.FirstCheck },
		},
		{
			"steady-repeat", "\"has reached a steady state\" is said again after", "Service event messages",
			6 * time.Hour, time.Hour, func(t *Timings) *time.Duration { return &t.SteadyRepeat },
		},
		{
			"duplicate-events", "an event that says the same again is left out for", "Service event messages",
			6 * time.Hour, 5 * time.Minute, func(t *Timings) *time.Duration { return &t.DuplicateEvents },
		},
		{
			"throttle-base", "first pause of a service whose tasks keep failing to start (doubles; AWS publishes the longest only)",
			"Service throttle logic", 10 * time.Second, time.Second, func(t *Timings) *time.Duration { return &t.ThrottleBase },
		},
		{
			"throttle-cap", "longest such pause", "Service throttle logic",
			27 * time.Minute, 30 * time.Second, func(t *Timings) *time.Duration { return &t.ThrottleCap },
		},
		{
			"quick-exit", "a program that ends by itself so soon after its start counts as failing to start (AWS: never, it paces all starts)", ours,
			10 * time.Second, 5 * time.Second, func(t *Timings) *time.Duration { return &t.QuickExit },
		},
		{
			"place-retry", "a deployment of which no task finds room has failed once more for the circuit breaker after (AWS publishes none)",
			"Deployment circuit breaker", 3 * time.Minute, 30 * time.Second, func(t *Timings) *time.Duration { return &t.PlaceRetry },
		},
		{
			"stopped-tasks", "DescribeTasks and ListTasks show a stopped task for", "DescribeTasks",
			time.Hour, time.Hour, func(t *Timings) *time.Duration { return &t.StoppedRetention },
		},
		{
			"why-tasks", "`maitred why` can tell of a stopped task for", ours,
			24 * time.Hour, 24 * time.Hour, func(t *Timings) *time.Duration { return &t.WhyRetention },
		},
		{
			"inactive", "a deleted service or cluster can be described for (AWS: \"may\")", "DescribeServices",
			time.Hour, time.Hour, func(t *Timings) *time.Duration { return &t.ClosedRetention },
		},
		{
			"deployment-history", "ListServiceDeployments goes back", "ServiceDeployment",
			90 * 24 * time.Hour, 90 * 24 * time.Hour, func(t *Timings) *time.Duration { return &t.HistoryRetention },
		},
		{
			"client-tokens", "RunTask remembers a client token for", "Ensuring idempotency",
			24 * time.Hour, 24 * time.Hour, func(t *Timings) *time.Duration { return &t.TokenLifetime },
		},
	}
}

// TimingsByName gives the column "fast" or "ecs" of the table; ok is false for any other name.
func TimingsByName(name string) (t Timings, ok bool) {
	for _, row := range TimingTable() {
		switch name {
		case "fast":
			*row.field(&t) = row.Fast
		case "ecs":
			*row.field(&t) = row.ECS
		default:
			return Timings{}, false
		}
	}
	return t, true
}
