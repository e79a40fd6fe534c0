package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/maitred/maitred/internal/cli"
	"github.com/maitred/maitred/internal/daemon"
)

// options are the flags of the verbs that run a role, on their way to a daemon.Config.
type options struct {
	daemon.Config
	debug bool
}

func defaults() *options { return &options{Config: daemon.Defaults()} }

func (o *options) shared(flags *pflag.FlagSet) {
	flags.StringVar(&o.DataDir, "data-dir", o.DataDir, "directory of the state, the logs and the sockets")
	flags.StringVar(&o.Timings, "timings", o.Timings, "delays that AWS chose for itself: fast, or ecs for AWS's own (see maitred timings)")
	flags.BoolVar(&o.debug, "debug", false, "log more")
	flags.StringSliceVar(&o.EtcdEndpoints, "etcd-endpoints", nil, "URLs of an external etcd, instead of the embedded one")
	flags.StringVar(&o.EtcdCA, "etcd-ca", "", "PEM file of the authority that signed the external etcd's certificate")
	flags.StringVar(&o.EtcdCert, "etcd-cert", "", "PEM file of our certificate for the external etcd")
	flags.StringVar(&o.EtcdKey, "etcd-key", "", "PEM file of its key")
	flags.StringVar(&o.VPC, "vpc-cidr", o.VPC, "addresses of each region's default VPC, of which tasks in networkMode awsvpc get theirs")
	flags.StringVar(&o.MetricsListen, "metrics-listen", "", "HOST:PORT at which Prometheus scrapes /metrics, or off (default: the API's address; of an agent alone 127.0.0.1:6250, of a balancer alone 127.0.0.1:6251)")
	flags.StringVar(&o.Region, "region", o.Region, "region of requests that name none, and of this machine's zone")
}

func (o *options) server(flags *pflag.FlagSet) {
	flags.StringVar(&o.Listen, "listen", o.Listen, "HOST:PORT of the API and the console")
	flags.BoolVar(&o.AnyAddress, "allow-any-address", false, "listen on an address that other machines reach, although the API asks for no password")
	flags.StringVar(&o.ACMEDirectory, "acme-directory", "", "URL of an ACME server that aws acm request-certificate gets certificates from, as https://acme-v02.api.letsencrypt.org/directory; to name it is to agree to its terms of service (default: they are signed by themselves)")
	flags.StringVar(&o.ACMEEmail, "acme-email", "", "address that the ACME server may write to")
	flags.StringVar(&o.ACMECA, "acme-ca", "", "PEM file of the authority that signed the ACME server's own certificate (default: the system's)")
	flags.StringVar(&o.Account, "account-id", o.Account, "AWS account id that ARNs carry")
}

func (o *options) agent(flags *pflag.FlagSet) {
	flags.StringVar(&o.Driver, "driver", o.Driver, "what runs containers: auto, oci (runc, no daemon), docker or process")
	flags.StringVar(&o.Address, "address", o.Address, "IP address at which this machine publishes the ports of its tasks")
	flags.StringVar(&o.SecretKey, "secret-key", "", "file with the key of stored secrets (default: secret.key in the data directory)")
	flags.StringVar(&o.SecretsEndpoint, "secrets-endpoint", "", "URL that speaks for Secrets Manager, Systems Manager and S3, as LocalStack does")
	flags.StringVar(&o.S3Dir, "s3-dir", "", "directory with environment files as DIR/BUCKET/KEY")
	flags.StringArrayVar(&o.TaskRoles, "task-role", nil, "ROLE_ARN=FILE or ROLE_ARN=exec:COMMAND: where tasks with that role get its credentials from (repeatable; default: made here, for maitred alone)")
	flags.StringVar(&o.PeerListen, "peer-listen", "", "HOST:PORT at which a server on another machine reaches this agent for logs, exec, cp and metrics (default: a free port of 127.0.0.1)")
	flags.StringVar(&o.Zone, "zone", "", "availability zone of this machine (default: the region's zone a)")
	flags.BoolVar(&o.AllowPrivileged, "allow-privileged", false, "let tasks run privileged containers, and others that could own this machine as these do")
	flags.StringArrayVar(&o.AllowHostPaths, "allow-host-path", nil, "DIR of this machine that tasks may mount, and all below it (repeatable; default: none)")
	flags.StringSliceVar(&o.Clusters, "clusters", nil, "clusters that this machine joins (default: all)")
}

func (o *options) balancer(flags *pflag.FlagSet) {
	flags.StringSliceVar(&o.BalancerAddresses, "lb-address", nil, "IP addresses that load balancers may have, each one of its own while there are enough (default: 127.0.0.1, then 127.0.1.1 to 127.0.1.254)")
}

func (o *options) run(cmd *cobra.Command) error {
	o.Version = version
	o.Log = logger(o.debug)
	if err := o.Validate(); err != nil {
		return cli.Usagef("%w", err)
	}
	return daemon.Run(cmd.Context(), o.Config)
}

func newUp(p *cli.Printer, hurry <-chan struct{}) *cobra.Command {
	o := defaults()
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything on this machine: API, scheduler, tasks and load balancers, with no configuration",
		Long: "Run everything in one process: the API, the scheduler, the tasks of this machine, and load balancers.\n\n" +
			"The state stays in the data directory, and the next `maitred up` goes on from it. Ctrl-C ends it, and the\n" +
			"tasks with it unless --detach-tasks is given.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Server, o.Agent, o.Balancer, o.Hurry = true, true, true, hurry
			over := context.AfterFunc(cmd.Context(), func() {
				if !o.Detach {
					p.Linef("\nEnding the tasks. Ctrl-C again kills them.")
				}
			})
			defer over() // what ends by itself ends no tasks
			o.Announce = func(r daemon.Ready) { announce(p, r) }
			return o.run(cmd)
		},
	}
	o.shared(cmd.Flags())
	o.server(cmd.Flags())
	o.agent(cmd.Flags())
	o.balancer(cmd.Flags())
	cmd.Flags().BoolVar(&o.Detach, "detach-tasks", false, "let the tasks run on after the end")
	cmd.Flags().StringVar(&o.Example, "example", "", "create an example service: web")
	return cmd
}

func newServer(p *cli.Printer) *cobra.Command {
	o := defaults()
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Run the API, the store and the scheduler; agents run the tasks",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Server, o.Detach = true, true
			o.Announce = func(r daemon.Ready) { announceServer(p, r, o.EtcdEndpoints) }
			return o.run(cmd)
		},
	}
	o.shared(cmd.Flags())
	o.server(cmd.Flags())
	o.balancer(cmd.Flags())
	cmd.Flags().StringVar(&o.PeerListen, "peer-listen", "", "HOST:PORT at which servers on other machines, that share an external etcd, read the metrics that this one is given (default: a free port of 127.0.0.1)")
	return cmd
}

func newAgent(p *cli.Printer) *cobra.Command {
	o := defaults()
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run this machine's tasks; they outlive the agent",
		Long: "Run the tasks that a server assigns to this machine. On the server's machine the agent finds it through the\n" +
			"data directory; elsewhere give it --etcd-endpoints. Tasks outlive the agent: the next one adopts them.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Agent, o.Detach = true, true
			o.Announce = func(r daemon.Ready) {
				p.Linef("Driver   %s (%s)", p.Bold(r.Driver), r.DriverReason)
				announceMetrics(p, r)
				p.Linef("State    %s", r.DataDir)
			}
			return o.run(cmd)
		},
	}
	o.shared(cmd.Flags())
	o.agent(cmd.Flags())
	return cmd
}

func newLB(p *cli.Printer, hurry <-chan struct{}) *cobra.Command {
	o := defaults()
	cmd := &cobra.Command{
		Use:   "lb",
		Short: "Serve load balancers: their listeners, rules and health checks",
		Long: "Serve the load balancers that the API knows, at their addresses. On the server's machine the balancer finds it\n" +
			"through the data directory; elsewhere give it --etcd-endpoints. While the server is away, it serves on.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Balancer, o.Hurry = true, hurry
			o.Announce = func(r daemon.Ready) {
				p.Linef("Load balancers are served.")
				announceMetrics(p, r)
				p.Linef("State    %s", r.DataDir)
			}
			return o.run(cmd)
		},
	}
	o.shared(cmd.Flags())
	cmd.Flags().StringVar(&o.PeerListen, "peer-listen", "", "HOST:PORT at which a server on another machine reads what this balancer measures (default: a free port of 127.0.0.1)")
	cmd.Flags().StringVar(&o.SecretKey, "secret-key", "", "file with the key of certificates' private keys (default: secret.key in the data directory)")
	return cmd
}

// announce tells whoever ran `maitred up` where things are, and what to do next.
func announce(p *cli.Printer, r daemon.Ready) {
	p.Linef("%s is up.", p.Bold("maitred"))
	p.Linef("")
	p.Linef("API      %s", p.Bold(r.API))
	p.Linef("Console  %s", p.Bold(r.API+"/"))
	p.Linef("Driver   %s (%s)", p.Bold(r.Driver), r.DriverReason)
	announceMetrics(p, r)
	p.Linef("State    %s", r.DataDir)
	announceExample(p, r)
	announceClient(p, r)
	p.Linef("")
	p.Linef("%s", p.Dim("Ctrl-C ends it. `maitred why "+exampleOr(r.ExampleName)+"` explains every start and stop."))
}

// announceServer tells the same of a server alone, and what it lacks.
func announceServer(p *cli.Printer, r daemon.Ready, etcd []string) {
	p.Linef("API      %s", p.Bold(r.API))
	announceMetrics(p, r)
	p.Linef("State    %s", r.DataDir)
	announceClient(p, r)
	if r.Machines > 0 {
		return
	}
	where := "--data-dir " + r.DataDir
	if len(etcd) > 0 {
		where = "--etcd-endpoints " + strings.Join(etcd, ",")
	}
	p.Linef("")
	p.Linef("Run `maitred agent %s` to give it a machine.", where)
}

// announceMetrics tells where Prometheus finds this process, where that is not the API's address.
func announceMetrics(p *cli.Printer, r daemon.Ready) {
	if r.Metrics != "" {
		p.Linef("Metrics  %s", r.Metrics)
	}
}

func announceClient(p *cli.Printer, r daemon.Ready) {
	p.Linef("")
	p.Linef("Point the aws CLI at it, in another terminal:")
	p.Linef("")
	p.Linef("  export AWS_ENDPOINT_URL=%s AWS_REGION=%s AWS_DEFAULT_REGION=%s AWS_PAGER=", r.API, r.Region, r.Region)
	p.Linef("  export AWS_ACCESS_KEY_ID=maitred AWS_SECRET_ACCESS_KEY=maitred")
}

func announceExample(p *cli.Printer, r daemon.Ready) {
	switch {
	case r.ExampleName == "":
	case r.ExampleProblem != nil:
		p.Linef("Example  %s", r.ExampleProblem)
	default:
		where := ":"
		if r.ExampleBalanced {
			where = " behind a load balancer:"
		}
		p.Linef("Example  service %s runs %d tasks%s", p.Bold(r.ExampleName), r.ExampleTasks, where)
		for _, url := range r.Example {
			p.Linef("           %s", url)
		}
	}
}

func exampleOr(name string) string {
	if name == "" {
		return "SERVICE"
	}
	return name
}
