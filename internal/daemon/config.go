// Package daemon puts maitred together: it opens the store, chooses the driver, and owns every goroutine of the roles
// that run in this process. Starts go in order, stops in the reverse one.
package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/metadata"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
)

// Config says which roles run and how. Fill it with Defaults first.
type Config struct {
	Version string // of the build

	Server bool // API, store, scheduler
	Agent  bool // containers of this machine
	// Balancer serves load balancers.
	Balancer bool
	// Detach lets the tasks of this machine run on when the process ends. It is so anyway when only one of the roles runs
	// here: to restart a server or an agent must not stop anything.
	Detach bool

	DataDir string
	Listen  string // host:port of the API
	// AnyAddress allows to listen where others than this machine's users reach the API, which runs programs for whoever
	// calls it.
	AnyAddress bool
	Account    string
	Region     string // of requests that name none
	Timings    string // fast or ecs
	VPC        string // CIDR block of each region's default VPC

	EtcdEndpoints             []string // of an external etcd; none for the embedded one
	EtcdCA, EtcdCert, EtcdKey string   // PEM files

	Driver  string // auto, oci, docker, process
	Address string // IP address at which the ports of tasks are published
	// BalancerAddresses are the IP addresses that load balancers may have; none for those of the loopback interface.
	BalancerAddresses []string
	Zone              string // availability zone of this machine
	// PeerListen is the host:port of the direct line to this machine's agent and balancer; "" for a free port of 127.0.0.1, which does
	// where the server is on the same machine.
	PeerListen string
	// MetricsListen is the HOST:PORT at which /metrics is served: by a server beside the API's address, by an agent or a balancer
	// alone at 127.0.0.1, port 6250 or 6251, if it is "". MetricsOff: nowhere.
	MetricsListen string
	// SecretKey is the file with the key of secrets; "" for secret.key in the data directory.
	SecretKey string
	// SecretsEndpoint is the URL of what speaks for Secrets Manager, Systems Manager and S3, and S3Dir a directory with a
	// directory for each bucket; "" for none.
	SecretsEndpoint, S3Dir string
	// ACMEDirectory is the URL of the ACME server that certificates are requested from; "" for none, and they are signed by
	// themselves. ACMEEmail is whom it may write to, ACMECA a PEM file of the authority that signed its own certificate; both
	// may be "".
	ACMEDirectory, ACMEEmail, ACMECA string
	// TaskRoles say where the credentials of roles come from, as ROLE_ARN=FILE or ROLE_ARN=exec:COMMAND. Those of all
	// others are made here, and are worth something to maitred alone.
	TaskRoles []string
	// AllowPrivileged and AllowHostPaths are what tasks may do to this machine (model.Policy).
	AllowPrivileged bool
	AllowHostPaths  []string
	Clusters        []string // that this machine joins; none for all
	Example         string   // name of an example service to create, "" for none

	// Metrics is told of what agents and balancers measured, where there is a server, beside being kept; nil for nobody.
	Metrics metrics.Putter

	Log *slog.Logger
	// Hurry, when it is closed, makes the end kill what it would otherwise wait for.
	Hurry <-chan struct{}
	// Announce is told once everything is ready.
	Announce func(Ready)
}

// Ready is what is said when everything is ready.
type Ready struct {
	API          string // URL; the console is there too
	Region       string // of requests that name none
	DataDir      string
	Metrics      string // URL for Prometheus beside the API's; "" for none
	Machines     int    // that are known, connected or not
	Driver       string
	DriverReason string
	Example      []string // URLs of the example: of its load balancer, or of its tasks
	ExampleTasks int
	ExampleName  string
	// ExampleBalanced says that Example is the URL of a load balancer.
	ExampleBalanced bool
	ExampleProblem  error // why the example cannot be reached yet, or any more
}

// Defaults is a configuration of an ordinary start.
func Defaults() Config {
	return Config{
		Listen: "127.0.0.1:6248", DataDir: dataDir(), Account: "123456789012", Region: "us-east-1", Timings: "fast", VPC: control.DefaultCIDR,
		Driver: "auto", Address: "127.0.0.1", Log: slog.New(slog.DiscardHandler), Announce: func(Ready) {},
	}
}

// dataDir is /var/lib/maitred for root, else a directory under $XDG_STATE_HOME.
func dataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/maitred"
	}
	if state := os.Getenv("XDG_STATE_HOME"); state != "" {
		return filepath.Join(state, "maitred")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = os.TempDir()
	}
	return filepath.Join(home, ".local", "state", "maitred")
}

var (
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
	regionForm  = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]+$`)
)

// Validate says what is wrong with a configuration, and what would be right.
func (c Config) Validate() error {
	if !accountForm.MatchString(c.Account) {
		return fmt.Errorf("--account-id %q: an AWS account id has 12 digits", c.Account)
	}
	if !regionForm.MatchString(c.Region) {
		return fmt.Errorf("--region %q: a region looks like us-east-1", c.Region)
	}
	if c.DataDir == "" {
		return errors.New("--data-dir is empty: it is the directory of the state, the logs and the sockets")
	}
	if _, ok := model.TimingsByName(c.Timings); !ok {
		return fmt.Errorf("--timings %q: it is fast or ecs", c.Timings)
	}
	if problem := control.CheckVPC(c.VPC); problem != "" {
		return fmt.Errorf("--vpc-cidr: %s", problem)
	}
	if !knownDriver(c.Driver) {
		return fmt.Errorf("--driver %q: it is auto, oci, docker or process", c.Driver)
	}
	if err := c.validateAddresses(); err != nil {
		return err
	}
	if err := c.validateTasks(); err != nil {
		return err
	}
	if c.Example != "" && c.Example != exampleWeb {
		return fmt.Errorf("--example %q: the examples are: %s", c.Example, exampleWeb)
	}
	if !c.Server {
		return nil
	}
	if err := c.validateACME(); err != nil {
		return err
	}
	return c.validateListen()
}

// validateAddresses says what is wrong with the addresses of this machine that others are told.
func (c Config) validateAddresses() error {
	if net.ParseIP(c.Address) == nil {
		return fmt.Errorf("--address %q: it is an IP address, as 127.0.0.1", c.Address)
	}
	for _, a := range c.BalancerAddresses {
		if net.ParseIP(a) == nil {
			return fmt.Errorf("--lb-address %q: it is an IP address, as 127.0.0.1", a)
		}
	}
	if _, port, err := net.SplitHostPort(c.PeerListen); c.PeerListen != "" && (err != nil || port == "") {
		return fmt.Errorf("--peer-listen %q: it is HOST:PORT, as 10.0.0.7:6249", c.PeerListen)
	}
	if _, port, err := net.SplitHostPort(c.MetricsListen); c.MetricsListen != "" && c.MetricsListen != MetricsOff && (err != nil || port == "") {
		return fmt.Errorf("--metrics-listen %q: it is HOST:PORT, as 127.0.0.1:6250, or off", c.MetricsListen)
	}
	return nil
}

// validateTasks says what is wrong with what tasks may do and get.
func (c Config) validateTasks() error {
	if err := validatePaths(c.AllowHostPaths); err != nil {
		return err
	}
	if _, err := metadata.ParseRoles(c.TaskRoles); err != nil {
		return fmt.Errorf("--task-role %w", err)
	}
	return nil
}

// complete checks a configuration and gives the data directory its one name: drivers tell their containers by it.
func (c Config) complete() (Config, error) {
	err := c.Validate()
	if err != nil {
		return c, err
	}
	if c.DataDir, err = filepath.Abs(c.DataDir); err != nil {
		return c, fmt.Errorf("--data-dir: %w", err)
	}
	return c, nil
}

func (c Config) validateListen() error {
	if host, _, _ := net.SplitHostPort(c.PeerListen); c.PeerListen != "" && !c.Agent && unspecified(host) {
		return fmt.Errorf("--peer-listen %q: other servers are told this address, so it has to name this machine, as 10.0.0.7:6249", c.PeerListen)
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil || port == "" {
		return fmt.Errorf("--listen %q: it is HOST:PORT, as 127.0.0.1:6248", c.Listen)
	}
	if !c.AnyAddress && !loopback(host) {
		return fmt.Errorf("--listen %q: whoever reaches the API can run programs here, and it asks for no password; "+
			"listen on 127.0.0.1, or say --allow-any-address if the network in between is to be trusted", c.Listen)
	}
	return nil
}

func unspecified(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func (c Config) etcdDir() string { return filepath.Join(c.DataDir, "store") }
