package source_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/maitred/maitred/internal/source"
	"github.com/maitred/maitred/internal/testneeds"
)

// start runs a server until the test ends.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if cmd.Dir == "" {
		cmd.Dir = t.TempDir()
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// until tries until something succeeds: a server needs its time to begin.
func until(t *testing.T, what string, try func() error) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%s: %v", what, err)
		case <-tick.C:
		}
	}
}

// wants reads from one source that is opened once, again and again.
func wants(t *testing.T, tag string) (s source.Source, want func(float64)) {
	t.Helper()
	return wantsOf(t, tag, "")
}

// always has the same value for every secret.
func always(value string) source.Secrets {
	return func(context.Context, string) (string, error) { return value, nil }
}

func wantsOf(t *testing.T, tag, secret string) (s source.Source, want func(float64)) {
	t.Helper()
	s, err := source.Open(t.Context(), tag, always(secret))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, func(n float64) {
		t.Helper()
		if v, err := s.Read(t.Context()); err != nil || v != n {
			t.Errorf("%s: got %v, %v, want %v", tag, v, err, n)
		}
	}
}

func TestRedis(t *testing.T) {
	t.Parallel()
	port := strconv.Itoa(testneeds.Port(t))
	start(t, exec.CommandContext(t.Context(), testneeds.Command(t, "redis-server"), "--port", port, "--bind", "127.0.0.1", "--save", "", "--requirepass", "pw"))
	var c redis.Conn
	until(t, "redis", func() (err error) {
		c, err = redis.Dial("tcp", "127.0.0.1:"+port, redis.DialPassword("pw"), redis.DialDatabase(3))
		return err
	})
	t.Cleanup(func() { _ = c.Close() })
	do := func(command string, args ...any) any {
		t.Helper()
		answer, err := c.Do(command, args...)
		must(t, err)
		return answer
	}
	at := "redis://:pw@127.0.0.1:" + port + "/3"
	_, list := wants(t, at+" list=jobs")
	list(0)
	do("RPUSH", "jobs", 1, 2, 3)
	list(3)

	_, stream := wants(t, at+" stream=s")
	reader, group := wants(t, at+" stream=s group=g")
	stream(0)
	if v, err := reader.Read(t.Context()); err == nil {
		t.Errorf("a group of no stream has %v", v)
	}
	do("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM")
	var first any
	for i := range 5 {
		if id := do("XADD", "s", "*", "n", i); i == 0 {
			first = id
		}
	}
	group(5)
	do("XREADGROUP", "GROUP", "g", "c", "COUNT", 2, "STREAMS", "s", ">")
	group(5) // two of them are given to somebody, who is not through with them
	do("XACK", "s", "g", first)
	group(4)
	stream(5)
	do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	if _, err := reader.Read(t.Context()); err == nil {
		t.Error("a connection that was cut is read")
	}
	group(4) // and made anew
}

func TestNATS(t *testing.T) {
	t.Parallel()
	port := strconv.Itoa(testneeds.Port(t))
	server := exec.CommandContext(t.Context(), testneeds.Command(t, "nats-server"), "-a", "127.0.0.1", "-p", port, "-js", "-sd", t.TempDir())
	start(t, server)
	var conn *nats.Conn
	until(t, "nats", func() (err error) {
		conn, err = nats.Connect("nats://127.0.0.1:" + port)
		return err
	})
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	must(t, err)
	var stream jetstream.Stream
	until(t, "jetstream", func() (err error) {
		stream, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "JOBS", Subjects: []string{"jobs"}})
		return err
	})
	consumer, err := stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "w", AckPolicy: jetstream.AckExplicitPolicy})
	must(t, err)
	at := "nats://127.0.0.1:" + port + " stream=JOBS"
	_, all := wants(t, at)
	_, waiting := wants(t, at+" consumer=w")
	all(0)
	for range 4 {
		_, err := js.Publish(t.Context(), "jobs", []byte("x"))
		must(t, err)
	}
	all(4)
	waiting(4)
	m, err := consumer.Next()
	must(t, err)
	waiting(4)
	must(t, m.DoubleAck(t.Context()))
	waiting(3)
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	testneeds.Root(t) // to become the user who may run it
	port := strconv.Itoa(testneeds.Port(t))
	startPostgres(t, port)
	at := "postgres://postgres@127.0.0.1:" + port + "/postgres"
	var conn *pgx.Conn
	until(t, "postgres", func() (err error) {
		conn, err = pgx.Connect(t.Context(), at)
		return err
	})
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	run := func(sql string) {
		t.Helper()
		_, err := conn.Exec(t.Context(), sql)
		must(t, err)
	}
	run("CREATE TABLE jobs (done bool)")
	_, n := wantsOf(t, at+" query-secret=q", "SELECT count(*) FROM jobs WHERE NOT done")
	n(0)
	run("INSERT INTO jobs SELECT false FROM generate_series(1, 10000)")
	n(10000)
	_, n = wantsOf(t, at+" query-secret=q", "SELECT sum(1.25) FROM generate_series(1, 3)")
	n(3.75)
	for query, what := range map[string]string{
		"SELECT 1 WHERE false": "no row", "SELECT NULL": "no number", "SELECT 'x'": "a text", "SELECT -1": "less than nothing",
		"WITH d AS (DELETE FROM jobs RETURNING 1) SELECT count(*) FROM d": "a deletion", "nonsense": "no query",
	} {
		if v, err := read(t, at+" query-secret=q", always(query)); err == nil {
			t.Errorf("%s is read as %v", what, v)
		}
	}
	_, n = wantsOf(t, at+" query-secret=q", "SELECT count(*) FROM jobs")
	n(10000)
}

// startPostgres runs a server of its own as the user postgres.
func startPostgres(t *testing.T, port string) {
	t.Helper()
	programs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(programs) == 0 {
		programs = []string{filepath.Dir(testneeds.Command(t, "initdb"))}
	}
	who, err := user.Lookup("postgres")
	must(t, err)
	uid, _ := strconv.Atoi(who.Uid)
	gid, _ := strconv.Atoi(who.Gid)
	as := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}} //nolint:gosec // ids are small
	dir, err := os.MkdirTemp("", "maitred-postgres-")                                               //nolint:usetesting // another user has to reach it
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, os.Chown(dir, uid, gid))
	initdb := exec.CommandContext(t.Context(), filepath.Join(programs[0], "initdb"), "-D", dir, "-A", "trust", "-U", "postgres", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = as, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	server := exec.CommandContext(t.Context(), filepath.Join(programs[0], "postgres"), "-D", dir, "-p", port, "-h", "127.0.0.1", "-k", dir, "-F")
	server.Dir = dir
	server.SysProcAttr = &syscall.SysProcAttr{Credential: as.Credential}
	start(t, server)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(fmt.Errorf("unexpected: %w", err))
	}
}
