package source

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// natsStream is a JetStream stream of a NATS server, or a consumer of it. It connects when it is read first.
type natsStream struct {
	url              string
	options          []nats.Option
	stream, consumer string
	conn             *nats.Conn
	js               jetstream.JetStream
}

func openNATS(_ context.Context, s *spec) (Source, error) {
	n := &natsStream{url: "nats://" + s.target.Host, stream: s.values["stream"], consumer: s.values["consumer"]}
	n.options = []nats.Option{nats.Name("maitred"), nats.NoReconnect()}
	switch user := s.target.User.Username(); {
	case user != "":
		n.options = append(n.options, nats.UserInfo(user, s.password()))
	case s.values["password"] != "":
		n.options = append(n.options, nats.Token(s.values["password"]))
	}
	return n, nil
}

// Read implements Source.
func (n *natsStream) Read(ctx context.Context) (float64, error) {
	if err := n.connect(); err != nil {
		return 0, err
	}
	if n.consumer == "" {
		stream, err := n.js.Stream(ctx, n.stream)
		if err != nil {
			return 0, err
		}
		return float64(stream.CachedInfo().State.Msgs), nil
	}
	consumer, err := n.js.Consumer(ctx, n.stream, n.consumer)
	if err != nil {
		return 0, err
	}
	info := consumer.CachedInfo()
	return float64(info.NumPending) + float64(info.NumAckPending), nil
}

// connect connects anew after the connection has broken.
func (n *natsStream) connect() (err error) {
	if n.conn != nil && n.conn.IsConnected() {
		return nil
	}
	_ = n.Close()
	if n.conn, err = nats.Connect(n.url, n.options...); err != nil {
		n.conn = nil
		return err
	}
	if n.js, err = jetstream.New(n.conn); err != nil {
		return errors.Join(err, n.Close())
	}
	return nil
}

// Close implements Source.
func (n *natsStream) Close() error {
	if n.conn != nil {
		n.conn.Close()
	}
	n.conn = nil
	return nil
}
