package source

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// redisQueue is a list or a stream of a Redis server.
type redisQueue struct {
	client              *redis.Client
	list, stream, group string
}

func openRedis(_ context.Context, s *spec, password string) (Source, error) {
	db := 0
	if path := strings.Trim(s.target.Path, "/"); path != "" {
		var err error
		if db, err = strconv.Atoi(path); err != nil || db < 0 {
			return nil, fmt.Errorf("redis: the database %q is not a number", path)
		}
	}
	address := s.target.Host
	if s.target.Port() == "" {
		address += ":6379"
	}
	return &redisQueue{
		client: redis.NewClient(&redis.Options{
			Addr: address, Username: s.target.User.Username(), Password: s.password(password), DB: db,
			MaxRetries: -1, PoolSize: 1, DisableIdentity: true,
		}),
		list: s.values.Get("list"), stream: s.values.Get("stream"), group: s.values.Get("group"),
	}, nil
}

// Read implements Source.
func (q *redisQueue) Read(ctx context.Context) (float64, error) {
	switch {
	case q.list != "":
		n, err := q.client.LLen(ctx, q.list).Result()
		return float64(n), err
	case q.group == "":
		n, err := q.client.XLen(ctx, q.stream).Result()
		return float64(n), err
	}
	groups, err := q.client.XInfoGroups(ctx, q.stream).Result()
	if err != nil {
		return 0, err
	}
	for _, g := range groups {
		if g.Name == q.group {
			return float64(max(0, g.Lag) + g.Pending), nil
		}
	}
	return 0, fmt.Errorf("the stream %q has no consumer group %q", q.stream, q.group)
}

// Close implements Source.
func (q *redisQueue) Close() error { return q.client.Close() }
