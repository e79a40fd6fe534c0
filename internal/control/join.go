package control

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// joinsMax is how many container instances one transaction makes or removes: each of them is an operation and at most
// two guards.
const joinsMax = store.MaxOps / 2

// JoinCluster makes every connected machine that joins a cluster its container instance. It does a part at a time: while
// more is true, it has to be called again in another transaction.
func JoinCluster(tx *store.Tx, call Call, cluster *model.Cluster) (more bool) {
	n := 0
	for m := range tx.View().Machines() {
		if !m.Connected {
			continue
		}
		if n == joinsMax {
			return true
		}
		if Join(tx, call.Cause("machine "+m.Host+" joins "+cluster.Name), m, cluster) {
			n++
		}
	}
	return false
}

// JoinMachine makes a machine a container instance of every active cluster that it joins. It does a part at a time: while
// more is true, it has to be called again in another transaction. Of the call, only Now is looked at.
func JoinMachine(tx *store.Tx, call Call, m *model.Machine) (more bool) {
	n := 0
	for c := range tx.View().Clusters() {
		if n == joinsMax {
			return true
		}
		cause := model.Cause{
			Kind: model.CauseMachine, Subject: m.ID, At: call.Now, Detail: "machine " + m.Host + " joins " + c.Name,
		}
		if Join(tx, cause, m, c) {
			n++
		}
	}
	return false
}

// Join makes a machine a container instance of a cluster, if the cluster is active, the machine joins it, and it is not
// one. Who was deregistered does not come back by itself, but when its agent has been started again since. It says whether
// it wrote anything.
func Join(tx *store.Tx, cause model.Cause, m *model.Machine, c *model.Cluster) bool {
	if c.Status != model.Active || !joins(m, c) {
		return false
	}
	id := InstanceARN(m.ID, c.ARN)
	if old, ok := tx.View().Instance(id); ok && (old.Status != model.Inactive || !m.JoinedAt.After(old.Cause.At)) {
		return false
	}
	tx.Guard(c.Key())
	tx.Put(&model.Instance{
		ARN: id, Cluster: c.ARN, Machine: m.ID, Status: model.Active, CreatedAt: cause.At, Cause: cause,
	})
	return true
}

// joins says whether a machine wants to be in a cluster. One that names none joins all.
func joins(m *model.Machine, c *model.Cluster) bool {
	return len(m.Clusters) == 0 || slices.Contains(m.Clusters, c.Name)
}

// InstanceARN is the ARN of a machine (given by id) as a container instance of a cluster (given by ARN). Its id follows
// from the two, so that to join twice is to join once.
func InstanceARN(machine, cluster string) string {
	sum := sha256.Sum256([]byte(machine + " in " + cluster))
	return arn.Instance(cluster, hex.EncodeToString(sum[:16]))
}

// LeaveCluster removes the container instances of a deleted cluster (given by ARN), so that they are made anew if it
// is. It does a part at a time: while more is true, it has to be called again in another transaction.
func LeaveCluster(tx *store.Tx, cluster string) (more bool) {
	if c, ok := tx.View().Cluster(cluster); ok && c.Status == model.Active {
		return false
	}
	tx.Guard(model.ClusterKey(cluster))
	n := 0
	for i := range tx.View().InstancesOfCluster(cluster) {
		if n == joinsMax {
			return true
		}
		tx.Delete(i.Key())
		n++
	}
	return false
}
