// Package anomaly finds targets that fail more than their peers, and says how much less they should get ("Automatic Target
// Weights"). It is pure: whoever counts calls Judge about once a second.
package anomaly

const (
	// least is how many targets it takes to tell who is not like the others.
	least = 3
	// decay is what is left of a count after a second: about ten seconds are remembered.
	decay = 0.9
	// enough is how many remembered requests it takes to judge a target.
	enough = 10
	// A target is anomalous if it fails this share more, and this many times as often, as its peers together.
	margin, factor = 0.1, 3
	// An anomalous target's weight is halved each second down to floor, where it still shows whether it is well again;
	// one that is not anomalous any more gets step more each second.
	floor, step = 1.0 / 64, 0.05
)

// Target is what is remembered of one target. The zero value is that of a new one.
type Target struct {
	requests, errors float64
	lost             float64 // of its weight
	// Anomalous is what Judge found last.
	Anomalous bool
}

// Weight is the share of the target, 1 for one that never was anomalous.
func (t *Target) Weight() float64 { return 1 - t.lost }

// Count adds what happened since Judge was called last: requests, and how many of them ended with a code of 5xx or without
// a connection.
func (t *Target) Count(requests, errors int64) {
	t.requests += float64(requests)
	t.errors += float64(errors)
}

// Judge looks at all targets of a group that are healthy, a second after it did so before.
func Judge(targets []*Target) {
	var requests, errors float64
	for _, t := range targets {
		requests += t.requests
		errors += t.errors
	}
	for _, t := range targets {
		t.Anomalous = len(targets) >= least && t.anomalous(requests-t.requests, errors-t.errors)
		t.reweigh()
	}
	for _, t := range targets {
		t.requests *= decay
		t.errors *= decay
	}
}

// anomalous compares with what the peers have together.
func (t *Target) anomalous(requests, errors float64) bool {
	if t.requests < enough && !t.Anomalous || t.requests == 0 || requests == 0 {
		return false
	}
	mine, theirs := t.errors/t.requests, errors/requests
	return mine > theirs+margin && mine > factor*theirs
}

func (t *Target) reweigh() {
	if t.Anomalous {
		t.lost = 1 - max(t.Weight()/2, floor)
		return
	}
	t.lost = max(t.lost-step, 0)
}
