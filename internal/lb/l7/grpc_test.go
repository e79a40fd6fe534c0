package l7_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/maitred/maitred/internal/model"
)

// grpcTarget answers with trailers: always its name, and how a call ended.
type grpcTarget struct {
	grpc_health_v1.UnimplementedHealthServer
}

func (*grpcTarget) Check(ctx context.Context, in *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	_ = grpc.SetTrailer(ctx, metadata.Pairs("served-by", "one", "raw-bin", "\x00\xff"))
	if in.GetService() == "missing" {
		return nil, status.Error(grpccodes.NotFound, "there is no 100% such service")
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

// Watch answers thrice, and fails then.
func (*grpcTarget) Watch(_ *grpc_health_v1.HealthCheckRequest, out grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	out.SetTrailer(metadata.Pairs("served-by", "one"))
	for range 3 {
		if err := out.Send(&grpc_health_v1.HealthCheckResponse{}); err != nil {
			return err
		}
	}
	return status.Error(grpccodes.Aborted, "enough")
}

// TestGRPC makes calls of a real client to a real server: how they end is in trailers.
func TestGRPC(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, &grpcTarget{})
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	r := newRig(t)
	r.target(r.group("app", func(g *model.TargetGroup) { g.ProtocolVersion = "GRPC" }), l.Addr().String())
	conn, err := grpc.NewClient(r.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	client := grpc_health_v1.NewHealthClient(conn)

	for service, want := range map[string]grpccodes.Code{"": grpccodes.OK, "missing": grpccodes.NotFound} {
		var trailer metadata.MD
		_, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service}, grpc.Trailer(&trailer))
		if status.Code(err) != want || want != grpccodes.OK && status.Convert(err).Message() != "there is no 100% such service" {
			t.Errorf("%q: got %v, want %s", service, err, want)
		}
		if got := trailer.Get("served-by"); len(got) != 1 || got[0] != "one" || len(trailer.Get("raw-bin")) != 1 || trailer.Get("raw-bin")[0] != "\x00\xff" {
			t.Errorf("%q: the trailers are %v", service, trailer)
		}
	}

	stream, err := client.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; err == nil; n++ {
		_, err = stream.Recv()
	}
	if status.Code(err) != grpccodes.Aborted || n != 4 || len(stream.Trailer().Get("served-by")) != 1 || errors.Is(err, io.EOF) {
		t.Errorf("the stream ended after %d with %v and %v", n, err, stream.Trailer())
	}
}
