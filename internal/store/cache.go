package store

import (
	"github.com/maitred/maitred/internal/model"
)

// The tables other than those of tasks, which are kept joined (see tasks.go).
const (
	tCluster = iota
	tTaskDefinition
	tFamily
	tService
	tServiceState
	tDeployment
	tEvent
	tMachine
	tInstance
	tOccupancy
	tPlacement
	tSetting
	tToken
	tVPC
	tSubnet
	tSecurityGroup
	tSecret
	tLogGroup
	tLoadBalancer
	tListener
	tRule
	tTargetGroup
	tTarget
	tTargetHealth
	tBalancer
	tDemand
	tCertificate
	tAlarm
	tAlarmState
	tAlarmEvent
	tScalable
	tScalingPolicy
	tScheduledAction
	tScalingState
	tScalingActivity
	tServer
	tables
	tNone = -1
)

func tableOf(k model.Kind) int { //nolint:gocyclo,funlen // one case for each table
	switch k {
	case model.KindCluster:
		return tCluster
	case model.KindTaskDefinition:
		return tTaskDefinition
	case model.KindFamily:
		return tFamily
	case model.KindService:
		return tService
	case model.KindServiceState:
		return tServiceState
	case model.KindDeployment:
		return tDeployment
	case model.KindEvent:
		return tEvent
	case model.KindMachine:
		return tMachine
	case model.KindInstance:
		return tInstance
	case model.KindOccupancy:
		return tOccupancy
	case model.KindPlacement:
		return tPlacement
	case model.KindSetting:
		return tSetting
	case model.KindToken:
		return tToken
	case model.KindVPC:
		return tVPC
	case model.KindSubnet:
		return tSubnet
	case model.KindSecurityGroup:
		return tSecurityGroup
	case model.KindSecret:
		return tSecret
	case model.KindLogGroup:
		return tLogGroup
	case model.KindLoadBalancer:
		return tLoadBalancer
	case model.KindListener:
		return tListener
	case model.KindRule:
		return tRule
	case model.KindTargetGroup:
		return tTargetGroup
	case model.KindTarget:
		return tTarget
	case model.KindTargetHealth:
		return tTargetHealth
	case model.KindBalancer:
		return tBalancer
	case model.KindDemand:
		return tDemand
	case model.KindCertificate:
		return tCertificate
	case model.KindAlarm:
		return tAlarm
	case model.KindAlarmState:
		return tAlarmState
	case model.KindAlarmEvent:
		return tAlarmEvent
	case model.KindScalable:
		return tScalable
	case model.KindScalingPolicy:
		return tScalingPolicy
	case model.KindScheduledAction:
		return tScheduledAction
	case model.KindScalingState:
		return tScalingState
	case model.KindScalingActivity:
		return tScalingActivity
	case model.KindServer:
		return tServer
	}
	return tNone
}

// The secondary indexes of those tables.
const (
	xDefinitions = iota // by region, family, revision
	xServices           // by cluster
	xDeployments        // by service, newest first
	xInstances          // by cluster
	xMachines           // instances by machine
	xTargets            // targets by service
	xHealth             // target healths by target
	indexes
)

// cache is the mutable world behind the views. One goroutine at a time may use it.
type cache struct {
	tables  [tables]*tree[*item]
	indexes [indexes]*tree[*item]
	tasks   taskTable
}

func newCache() *cache {
	c := &cache{tasks: newTaskTable()}
	for i := range c.tables {
		c.tables[i] = newTree(byPath)
	}
	c.indexes[xDefinitions] = newTree(byRevision)
	c.indexes[xServices] = newTree(byGroup(clusterOfService))
	c.indexes[xDeployments] = newTree(byAge)
	c.indexes[xInstances] = newTree(byGroup(clusterOfInstance))
	c.indexes[xMachines] = newTree(byGroup(machineOfInstance))
	c.indexes[xTargets] = newTree(byGroup(serviceOfTarget))
	c.indexes[xHealth] = newTree(byGroup(targetOfHealth))
	return c
}

// indexed lists the indexes of a table.
func (c *cache) indexed(table int) []*tree[*item] {
	switch table {
	case tTaskDefinition:
		return c.indexes[xDefinitions : xDefinitions+1]
	case tService:
		return c.indexes[xServices : xServices+1]
	case tDeployment:
		return c.indexes[xDeployments : xDeployments+1]
	case tInstance:
		return c.indexes[xInstances : xMachines+1]
	case tTarget:
		return c.indexes[xTargets : xTargets+1]
	case tTargetHealth:
		return c.indexes[xHealth : xHealth+1]
	}
	return nil
}

// apply carries out a batch and appends what it changed.
func (c *cache) apply(b *Batch, changed []Changed) []Changed {
	for i := range b.Puts {
		v := &b.Puts[i]
		changed = append(changed, Changed{Key: v.Key, Before: c.put(v), After: v.Record})
	}
	for _, k := range b.Deletes {
		if before := c.remove(k); before != nil {
			changed = append(changed, Changed{Key: k, Before: before})
		}
	}
	return changed
}

// put gives the record that it replaces, nil if there was none.
func (c *cache) put(v *Versioned) model.Record {
	switch r := v.Record.(type) {
	case *model.Task:
		return c.tasks.putTask(r, v.Version)
	case *model.Observed:
		return c.tasks.putSeen(r, v.Version)
	}
	n := tableOf(v.Key.Kind)
	x := &item{path: v.Key.Path, record: v.Record, version: v.Version}
	old, replaced := c.tables[n].live.Get(x)
	c.tables[n].set(x)
	for _, index := range c.indexed(n) {
		if replaced {
			index.move(old, x)
		} else {
			index.set(x)
		}
	}
	if !replaced {
		return nil
	}
	return old.record
}

// remove gives the record that it removes, nil if there was none.
func (c *cache) remove(k model.Key) model.Record {
	switch k.Kind {
	case model.KindTask:
		return c.tasks.removeTask(k.Path)
	case model.KindObserved:
		return c.tasks.removeSeen(k.Path)
	}
	n := tableOf(k.Kind)
	if n == tNone {
		return nil
	}
	old, ok := c.tables[n].live.Get(&item{path: k.Path})
	if !ok {
		return nil
	}
	c.tables[n].del(old)
	for _, index := range c.indexed(n) {
		index.del(old)
	}
	return old.record
}

// view snapshots the world. What has not changed since the last time is shared with that view.
func (c *cache) view(rev int64) *View {
	v := &View{rev: rev, tasks: c.tasks.view()}
	for i, t := range c.tables {
		v.tables[i] = t.snapshot()
	}
	for i, t := range c.indexes {
		v.indexes[i] = t.snapshot()
	}
	return v
}

// difference gives the batch that leads from a view to a newer list of the world.
func difference(v *View, list []Versioned, rev int64) Batch {
	b := Batch{Rev: rev}
	keep := make(map[model.Key]struct{}, len(list))
	for i := range list {
		x := &list[i]
		keep[x.Key] = struct{}{}
		if v.Version(x.Key) != x.Version {
			b.Puts = append(b.Puts, *x)
		}
	}
	for x := range v.All() {
		if _, ok := keep[x.Key]; !ok {
			b.Deletes = append(b.Deletes, x.Key)
		}
	}
	return b
}

// known says whether there is such a table.
func known(k model.Kind) bool {
	return tableOf(k) != tNone || k == model.KindTask || k == model.KindObserved
}
