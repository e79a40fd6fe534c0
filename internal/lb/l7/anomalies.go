package l7

import "maps"

// Anomaly is how many targets of a group were found to fail more than their peers, and how many get fewer requests for it
// (AnomalousHostCount, MitigatedHostCount).
type Anomaly struct{ Anomalous, Mitigated int }

// Anomalies tells, by ARN, of the groups in which anomalies are looked for: those whose algorithm is weighted_random and that
// had a request. It is what was found with the last of them.
func (s *Server) Anomalies() map[string]Anomaly {
	s.groups.mu.Lock()
	known := maps.Clone(s.groups.known)
	s.groups.mu.Unlock()
	all := map[string]Anomaly{}
	for arn, x := range known {
		if v := x.view.Load(); v != nil && v.of.Settings.Algorithm == weightedRandom {
			all[arn] = x.anomaly(v)
		}
	}
	return all
}

const weightedRandom = "weighted_random"

func (x *group) anomaly(v *view) (a Anomaly) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, rt := range v.of.Eligible {
		t := v.targets[rt.Path]
		if t == nil {
			continue
		}
		if t.history.Anomalous {
			a.Anomalous++
		}
		if v.of.Settings.Mitigation && t.history.Weight() < 1 {
			a.Mitigated++
		}
	}
	return a
}
