package source

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gomodule/redigo/redis"
)

// redisQueue is a list or a stream of a Redis server. It connects when it is read first.
type redisQueue struct {
	address             string
	options             []redis.DialOption
	list, stream, group string
	conn                redis.Conn
}

func openRedis(_ context.Context, s *spec) (Source, error) {
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
	q := &redisQueue{
		address: address, list: s.values["list"], stream: s.values["stream"], group: s.values["group"],
		options: []redis.DialOption{redis.DialDatabase(db), redis.DialPassword(s.password())},
	}
	if user := s.target.User.Username(); user != "" {
		q.options = append(q.options, redis.DialUsername(user))
	}
	return q, nil
}

// Read implements Source.
func (q *redisQueue) Read(ctx context.Context) (n float64, err error) {
	if q.conn == nil {
		if q.conn, err = redis.DialContext(ctx, "tcp", q.address, q.options...); err != nil {
			q.conn = nil
			return 0, err
		}
	}
	n, err = q.read(ctx)
	if q.conn.Err() != nil { // it cannot be used any more
		err = errors.Join(err, q.Close())
	}
	return n, err
}

func (q *redisQueue) read(ctx context.Context) (float64, error) {
	switch {
	case q.list != "":
		n, err := redis.Int64(redis.DoContext(q.conn, ctx, "LLEN", q.list))
		return float64(n), err
	case q.group == "":
		n, err := redis.Int64(redis.DoContext(q.conn, ctx, "XLEN", q.stream))
		return float64(n), err
	}
	groups, err := redis.Values(redis.DoContext(q.conn, ctx, "XINFO", "GROUPS", q.stream))
	if err != nil {
		return 0, err
	}
	for _, g := range groups {
		var group struct {
			Name    string `redis:"name"`
			Pending int64  `redis:"pending"`
			Lag     int64  `redis:"lag"`
		}
		fields, err := redis.Values(g, nil)
		if err == nil {
			err = redis.ScanStruct(fields, &group)
		}
		if err != nil {
			return 0, err
		}
		if group.Name == q.group {
			return float64(max(0, group.Lag) + group.Pending), nil
		}
	}
	return 0, fmt.Errorf("the stream %q has no consumer group %q", q.stream, q.group)
}

// Close implements Source.
func (q *redisQueue) Close() error {
	if q.conn == nil {
		return nil
	}
	err := q.conn.Close()
	q.conn = nil
	return err
}
