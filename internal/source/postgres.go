package source

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// postgresQuery is a query of a PostgreSQL server. It connects when it is read first.
type postgresQuery struct {
	config *pgx.ConnConfig
	query  string
	conn   *pgx.Conn
}

func openPostgres(_ context.Context, s *spec) (Source, error) {
	config, err := pgx.ParseConfig(s.target.String())
	if err != nil {
		return nil, errors.New("postgres: the URL cannot be understood") // pgx's own error repeats parts of it
	}
	if password := s.password(); password != "" {
		config.Password = password
	}
	// A query is for reading, whoever wrote it.
	config.RuntimeParams["default_transaction_read_only"] = "on"
	config.RuntimeParams["application_name"] = "maitred"
	return &postgresQuery{config: config, query: s.values["query"]}, nil
}

// Read implements Source.
func (q *postgresQuery) Read(ctx context.Context) (v float64, err error) {
	if q.conn == nil || q.conn.IsClosed() {
		if q.conn, err = pgx.ConnectConfig(ctx, q.config); err != nil {
			q.conn = nil
			return 0, err
		}
	}
	var n *float64
	// The cast makes every number one that is read here.
	if err := q.conn.QueryRow(ctx, "SELECT (SELECT x FROM ("+q.query+") AS backlog(x) LIMIT 1)::float8").Scan(&n); err != nil {
		return 0, err
	}
	if n == nil {
		return 0, fmt.Errorf("the query gives no number")
	}
	return amount(*n)
}

// Close implements Source.
func (q *postgresQuery) Close() error {
	if q.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return q.conn.Close(ctx)
}
