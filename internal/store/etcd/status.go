package etcd

import (
	"context"
	"errors"
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Status is how full the database is.
type Status struct {
	Size  int64 // bytes of the database file
	InUse int64 // bytes of it that are not free for reuse
	Rev   int64 // the newest revision of the member that was asked
	Quota int64 // bytes at which it takes deletions only; 0 if unknown, for an etcd in another process
	// NoSpace says that the quota was reached. It stays so until Reclaim.
	NoSpace bool
}

// Endpoint is the URL by which other processes of this user reach the embedded member, "" for a client.
func (b *Backend) Endpoint() string {
	if b.member == nil {
		return ""
	}
	return b.member.endpoint()
}

// Done is closed when the embedded member has stopped, for whatever reason; nil for a client.
func (b *Backend) Done() <-chan struct{} {
	if b.member == nil {
		return nil
	}
	return b.member.etcd.Server.StopNotify()
}

// Status asks for the size of the database.
func (b *Backend) Status(ctx context.Context) (Status, error) {
	ctx, cancel := b.joined(ctx)
	defer cancel()
	answer, err := b.client.Status(ctx, b.endpoints()[0])
	if err != nil {
		return Status{}, fmt.Errorf("status of etcd: %w", b.translate(err))
	}
	alarms, err := b.client.AlarmList(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("alarms of etcd: %w", b.translate(err))
	}
	s := Status{Size: answer.DbSize, InUse: answer.DbSizeInUse, Quota: answer.DbSizeQuota, Rev: answer.Header.GetRevision()}
	if b.member != nil {
		s.Quota = b.member.quota
	}
	for _, a := range alarms.Alarms {
		s.NoSpace = s.NoSpace || a.Alarm == pb.AlarmType_NOSPACE
	}
	return s, nil
}

// Reclaim gives the space of deleted and overwritten records back to the disk, and ends the state of no space. Nothing
// is served for as long as it takes; streams that are behind list again.
func (b *Backend) Reclaim(ctx context.Context) error {
	ctx, cancel := b.joined(ctx)
	defer cancel()
	now, err := b.client.Get(ctx, recordPrefix, clientv3.WithCountOnly())
	if err != nil {
		return fmt.Errorf("reclaim space: %w", b.translate(err))
	}
	if _, err := b.client.Compact(ctx, now.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		return fmt.Errorf("reclaim space: %w", b.translate(err))
	}
	if err := b.defragment(ctx); err != nil {
		return fmt.Errorf("reclaim space: %w", err)
	}
	if _, err := b.client.AlarmDisarm(ctx, &clientv3.AlarmMember{}); err != nil {
		return fmt.Errorf("reclaim space: %w", b.translate(err))
	}
	return nil
}

func (b *Backend) defragment(ctx context.Context) error {
	if b.member != nil {
		// The client in this process cannot ask for it.
		return b.member.etcd.Server.Backend().Defrag()
	}
	var errs []error
	for _, endpoint := range b.client.Endpoints() {
		_, err := b.client.Defragment(ctx, endpoint)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// endpoints are those of the client; the one in this process has none, and does not look at it.
func (b *Backend) endpoints() []string {
	if b.member != nil {
		return []string{""}
	}
	return b.client.Endpoints()
}
