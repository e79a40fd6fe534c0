package control

import (
	"slices"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// BalancingTags gives the tags of a load balancer, listener, rule or target group by ARN ("DescribeTags").
func BalancingTags(v *store.View, call Call, id string) ([]model.Tag, error) {
	if arn.Balancing(id) == "listener-rule" {
		r, _, err := FindRule(v, call, id)
		if err != nil || r == nil {
			return nil, err // the default rule has none
		}
		return r.Tags, nil
	}
	_, tags, err := taggedBalancing(v, call, id, "")
	if err != nil {
		return nil, err
	}
	return *tags, nil
}

// TagBalancing adds tags to resources (ARNs), all or none ("AddTags"). A load balancer whose tag asks for another address
// moves there.
func TagBalancing(tx *store.Tx, call Call, ids []string, add []model.Tag) error {
	return retagBalancing(tx, call, ids, func(old []model.Tag) []model.Tag { return mergeTags(old, add) })
}

// UntagBalancing removes tags from resources (ARNs) by their keys, all or none ("RemoveTags"). A load balancer whose
// address was asked for by a tag keeps it.
func UntagBalancing(tx *store.Tx, call Call, ids, keys []string) error {
	return retagBalancing(tx, call, ids, func(old []model.Tag) []model.Tag {
		return slices.DeleteFunc(slices.Clone(old), func(t model.Tag) bool { return slices.Contains(keys, t.Key) })
	})
}

func retagBalancing(tx *store.Tx, call Call, ids []string, change func([]model.Tag) []model.Tag) error {
	for _, id := range ids {
		record, tags, err := taggedBalancing(tx.View(), call, id, "tags of "+model.ShortID(id)+" are changed")
		if err != nil {
			return err
		}
		*tags = change(*tags)
		if n := countTags(*tags); n > TagsMax {
			return refused("TooManyTags", "The resource '%s' would have %d tags; at most %d are allowed", id, n, TagsMax)
		}
		if b, ok := record.(*model.LoadBalancer); ok {
			if err := moveBalancer(tx, call, b); err != nil {
				return err
			}
		}
		tx.Put(record)
	}
	return nil
}

// taggedBalancing finds a resource that has tags and copies it, with a cause: the copy's tags may be replaced, and the copy
// put.
func taggedBalancing(v *store.View, call Call, id, cause string) (model.Record, *[]model.Tag, error) {
	switch arn.Balancing(id) {
	case "loadbalancer":
		old, err := FindLoadBalancer(v, call, id)
		if err != nil {
			return nil, nil, err
		}
		b := *old
		b.Cause = call.Cause(cause)
		return &b, &b.Tags, nil
	case "listener":
		old, _, err := FindListener(v, call, id)
		if err != nil {
			return nil, nil, err
		}
		l := *old
		l.Cause = call.Cause(cause)
		return &l, &l.Tags, nil
	case "listener-rule":
		old, _, err := ownRule(v, call, id, "tagged")
		if err != nil {
			return nil, nil, err
		}
		r := *old
		r.Cause = call.Cause(cause)
		return &r, &r.Tags, nil
	case "targetgroup":
		old, err := FindTargetGroup(v, call, id)
		if err != nil {
			return nil, nil, err
		}
		g := *old
		g.Cause = call.Cause(cause)
		return &g, &g.Tags, nil
	}
	return nil, nil, invalid("'%.300s' is not a valid ARN of a load balancer, listener, listener rule or target group", id)
}
