package meter

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
)

// published are the metrics of AWS that there are, by namespace.
func published() map[string]string {
	return map[string]string{
		model.NamespaceApplication: `ActiveConnectionCount AnomalousHostCount MitigatedHostCount ClientTLSNegotiationErrorCount DesyncMitigationMode_NonCompliant_Request_Count
			DroppedInvalidHeaderRequestCount ForwardedInvalidHeaderRequestCount GrpcRequestCount HTTPCode_ELB_3XX_Count
			HTTPCode_ELB_4XX_Count HTTPCode_ELB_500_Count HTTPCode_ELB_502_Count HTTPCode_ELB_503_Count HTTPCode_ELB_504_Count
			HTTPCode_ELB_5XX_Count HTTPCode_Target_2XX_Count HTTPCode_Target_3XX_Count HTTPCode_Target_4XX_Count
			HTTPCode_Target_5XX_Count HTTP_Fixed_Response_Count HTTP_Redirect_Count HTTP_Redirect_Url_Limit_Exceeded_Count
			HealthyHostCount HealthyStateRouting NewConnectionCount NonStickyRequestCount ProcessedBytes RequestCount
			RequestCountPerTarget RuleEvaluations TargetConnectionErrorCount TargetResponseTime TargetTLSNegotiationErrorCount
			UnHealthyHostCount UnhealthyRoutingRequestCount UnhealthyStateRouting`,
		model.NamespaceNetwork: `ActiveFlowCount ActiveFlowCount_TCP ActiveFlowCount_TLS ActiveFlowCount_UDP
			ClientTLSNegotiationErrorCount HealthyHostCount NewFlowCount NewFlowCount_TCP NewFlowCount_TLS NewFlowCount_UDP
			PeakBytesPerSecond ProcessedBytes ProcessedBytes_TCP ProcessedBytes_TLS ProcessedBytes_UDP RejectedFlowCount
			RejectedFlowCount_TCP SecurityGroupBlockedFlowCount_Inbound_TCP SecurityGroupBlockedFlowCount_Inbound_UDP
			TCP_Client_Reset_Count TCP_ELB_Reset_Count TCP_Target_Reset_Count TargetTLSNegotiationErrorCount UnHealthyHostCount
			UnhealthyRoutingFlowCount`,
		model.NamespaceECS: "CPUReservation CPUUtilization MemoryReservation MemoryUtilization",
		model.NamespaceInsights: `ContainerInstanceCount CpuReserved CpuUtilized DeploymentCount DesiredTaskCount MemoryReserved
			MemoryUtilized NetworkRxBytes NetworkTxBytes PendingTaskCount RunningTaskCount ServiceCount StorageReadBytes
			StorageWriteBytes TaskCount`,
	}
}

// without says why there is none of the others, by namespace and name; what ends with * is the beginning of names.
func without() map[string]string {
	const (
		auth   = "no action authenticates"
		lambda = "no target is a function"
		lcu    = "nothing is paid for, and AWS does not say how it comes to the number"
		dns    = "the name of a load balancer is its address, that no health takes out of a zone"
		ipv6   = "load balancers have IPv4 addresses"
		shift  = "there are no zonal shifts"
		packet = "connections are passed on by the byte: packets are the kernel's"
		quic   = "QUIC is not spoken"
		out    = "the rules of outbound traffic are those of the machine"
	)
	return map[string]string{
		"AWS/ApplicationELB ConsumedLCUs":                           lcu,
		"AWS/ApplicationELB PeakLCUs":                               lcu,
		"AWS/ApplicationELB ReservedLCUs":                           lcu,
		"AWS/ApplicationELB ELBAuth*":                               auth,
		"AWS/ApplicationELB Lambda*":                                lambda,
		"AWS/ApplicationELB HealthyStateDNS":                        dns,
		"AWS/ApplicationELB UnhealthyStateDNS":                      dns,
		"AWS/ApplicationELB IPv6*":                                  ipv6,
		"AWS/ApplicationELB LowReputation*":                         "nobody has a reputation",
		"AWS/ApplicationELB RejectedConnectionCount":                "there is no greatest number of connections",
		"AWS/ApplicationELB ZonalShiftedHostCount":                  shift,
		"AWS/NetworkELB ActiveZonalShiftHostCount":                  shift,
		"AWS/NetworkELB ZonalHealthStatus":                          dns,
		"AWS/NetworkELB ConsumedLCUs*":                              lcu,
		"AWS/NetworkELB ReservedLCUs":                               lcu,
		"AWS/NetworkELB PeakPacketsPerSecond":                       packet,
		"AWS/NetworkELB ProcessedPackets":                           packet,
		"AWS/NetworkELB PortAllocationErrorCount":                   "a connection to a target for which the kernel has no port counts as one that failed",
		"AWS/NetworkELB *_QUIC":                                     quic,
		"AWS/NetworkELB QUIC*":                                      quic,
		"AWS/NetworkELB SecurityGroupBlockedFlowCount_Inbound_ICMP": "the machine answers ICMP",
		"AWS/NetworkELB SecurityGroupBlockedFlowCount_Outbound*":    out,
		"AWS/ECS EBSFilesystemUtilization":                          "there are no EBS volumes",
		"AWS/ECS GPUReservation":                                    "container instances have no GPUs yet",
		"ECS/ContainerInsights EphemeralStorage*":                   "no driver limits ephemeral storage, and so refuses tasks that ask for it",
		"ECS/ContainerInsights TaskSetCount":                        "there are no task sets",
	}
}

// reason finds why a metric is not there.
func reason(series string) (why string, ok bool) {
	for pattern, why := range without() {
		namespace, name, _ := strings.Cut(pattern, " ")
		of, its, _ := strings.Cut(series, " ")
		head, tail, wild := strings.Cut(name, "*")
		if of == namespace && (its == name || wild && strings.HasPrefix(its, head) && strings.HasSuffix(its, tail)) {
			return why, true
		}
	}
	return "", false
}

// everything is a second in which all happens that is counted.
func everything() reading.Frame {
	f := busy()
	f.Routes[0].Requests = reading.Requests{
		Chosen: 2, Answers: [4]int64{1, 1, 1, 1}, Own: [4]int64{1, 1, 1, 1}, Own500: 1, Own502: 1, Own503: 1, Own504: 1, Redirects: 1,
		Fixed: 1, GRPC: 1, Dropped: 1, Desync: 1, Unhealthy: 1, ConnErrors: 1, TLSErrors: 1, Long: 1, NonSticky: 1, Invalid: 1, Rules: 3,
		Received: 1, Sent: 1, Latency: f.Routes[0].Latency,
	}
	flows := f.Flows[0]
	f.Flows = nil
	for _, protocol := range []string{"TCP", "TLS", "UDP"} {
		flows.Flows = reading.Flows{
			Protocol: protocol, New: 1, Active: 1, ClientResets: 1, TargetResets: 1, OwnResets: 1, Rejected: 1, NoTarget: 1, Unreachable: 1,
			ClientTLS: 1, TargetTLS: 1, Unhealthy: 1, Received: 1, Sent: 1,
		}
		if protocol != "TLS" { // what is not let in has not said what it speaks
			flows.Blocked = 1
		}
		f.Flows = append(f.Flows, flows)
	}
	f.Listeners[0].TLSFails = 1
	f.Groups[0].Judged, f.Groups[0].Anomalous = true, 1
	return f
}

// all is what is told of a minute in which all happens.
func all(w *world) (data []metrics.Datum) {
	w.machine(machineID, 4096, 1000)
	w.service(1, 512, 100)
	w.balanced()
	w.put(&model.Balancer{ID: balancerID, Zone: "us-east-1b", Connected: true})
	v, begin := w.store.View(), time.Unix(0, 0)
	agent := newSource(sourceID{id: machineID})
	balancer := newSource(sourceID{balancer: true, id: balancerID})
	task := w.task(1, 512, 100, model.TaskRunning)
	for second := range int64(minute) {
		tasks := []reading.Task{{ARN: task, Cores: 1, Memory: 1, Network: &reading.Network{}, Disk: &reading.Disk{}}}
		agent.add(w.store.View(), &reading.Frame{Second: second, Tasks: tasks}, nil)
		f := everything()
		f.Second = second
		balancer.add(v, &f, leadsOf(v))
	}
	v = w.store.View()
	data = append(data, agent.sheet(v, agent.minutes.take(minute)[0]).data(begin, minute)...)
	data = append(data, balancer.sheet(v, balancer.minutes.take(minute)[0]).data(begin, minute)...)
	s := newSheet()
	minuteServices(s, v, func(svc *model.Service) int { return svc.DesiredCount })
	states(s, v, map[sourceID][]reading.Group{{balancer: true, id: balancerID}: everything().Groups}, leadsOf(v))
	return append(data, s.data(begin, minute)...)
}

// TestVerdicts has a verdict of each metric that AWS has: that it is published, which it then is, or why not.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	told := map[string]bool{}
	for _, d := range all(newWorld(t)) {
		told[d.Namespace+" "+d.Metric.Name] = true
	}
	text, err := os.ReadFile("testdata/names")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for name := range strings.Lines(string(text)) {
		if name = strings.TrimSpace(name); name == "" || name[0] == '#' {
			continue
		}
		known[name] = true
		namespace, metric, _ := strings.Cut(name, " ")
		is := slices.Contains(strings.Fields(published()[namespace]), metric)
		_, not := reason(name)
		switch {
		case is == not:
			t.Errorf("%s: it is published: %t, there is a reason why not: %t; want one verdict", name, is, not)
		case is != told[name]:
			t.Errorf("%s: the verdict is that it is published: %t; it is: %t", name, is, told[name])
		}
	}
	for name := range told {
		if !known[name] && !strings.HasPrefix(name, model.NamespaceFast) {
			t.Errorf("%s is published, and AWS does not have it", name)
		}
	}
	for pattern, why := range without() {
		if why == "" || !slices.ContainsFunc(strings.Split(string(text), "\n"), func(name string) bool {
			head, tail, wild := strings.Cut(pattern, "*")
			return name == pattern || wild && strings.HasPrefix(name, head) && strings.HasSuffix(name, tail)
		}) {
			t.Errorf("%q: AWS has no such metric, or there is no reason", pattern)
		}
	}
}

// TestZones: what AWS tells of zones is told of the zone of the balancer too, with the same numbers, and nothing else is.
func TestZones(t *testing.T) {
	t.Parallel()
	data := all(newWorld(t))
	find := func(dimensions ...string) map[string]metrics.Stats {
		found := map[string]metrics.Stats{}
		for _, d := range data {
			var has []string
			for _, x := range d.Dimensions {
				has = append(has, x.Name)
			}
			if slices.Equal(has, dimensions) {
				found[d.Namespace+" "+d.Metric.Name] = d.Stats
			}
		}
		return found
	}
	for _, dimensions := range [][]string{{"LoadBalancer"}, {"LoadBalancer", "TargetGroup"}, {"TargetGroup"}} {
		whole, zones := find(dimensions...), find(append([]string{"AvailabilityZone"}, dimensions...)...)
		for name, stats := range whole {
			namespace, metric, _ := strings.Cut(name, " ")
			want := namespace == model.NamespaceNetwork || !slices.Contains(zoneless(), metric)
			got, ok := zones[name]
			if ok != want || ok && got != stats {
				t.Errorf("%s of %v: of its zone got %+v (%t), want %t, %+v", name, dimensions, got, ok, want, stats)
			}
		}
		for name := range zones {
			if _, ok := whole[name]; !ok {
				t.Errorf("%s is told of a zone alone", name)
			}
		}
	}
	if got := only(t, statsOf(data, minute, model.NamespaceApplication, "RequestCount", "AvailabilityZone", "us-east-1b", "LoadBalancer", "app/web/0123456789abcdef")); got.Sum != 120 {
		t.Errorf("RequestCount of the zone: got %+v, want 120", got)
	}
}

// TestStates counts zones: one in which a balancer has to send requests to all targets is in the unhealthy state.
func TestStates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.balanced()
	told := map[sourceID][]reading.Group{}
	for id, zone := range map[string]string{"1": "a", "2": "a", "3": "b", "4": "c"} {
		w.put(&model.Balancer{ID: id, Zone: zone})
		g := reading.Group{ARN: groupARN, Healthy: 1, Eligible: 1}
		switch id {
		case "2":
			g.FailOpen, g.Eligible = true, 3
		case "3":
			g.Healthy, g.Eligible = 0, 0
		}
		told[sourceID{balancer: true, id: id}] = []reading.Group{g}
	}
	s := newSheet()
	states(s, w.store.View(), told, leadsOf(w.store.View()))
	data := s.data(time.Unix(0, 0), minute)
	for name, want := range map[string]float64{"HealthyStateRouting": 1, "UnhealthyStateRouting": 2} {
		got := only(t, statsOf(data, minute, model.NamespaceApplication, name, "LoadBalancer", "app/web/0123456789abcdef", "TargetGroup", "targetgroup/web/0123456789abcdef"))
		if got != metrics.One(want) {
			t.Errorf("%s: got %+v, want %v", name, got, want)
		}
	}
}

// TestQuietNetwork: a Network Load Balancer without flows has zeros of what AWS always reports.
func TestQuietNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.balanced()
	src := newSource(sourceID{balancer: true, id: balancerID})
	for second := range int64(minute) {
		f := &reading.Frame{Second: second, Groups: []reading.Group{{ARN: netGroup, Healthy: 1}}}
		if second == 25 || second == 29 || second == 30 {
			f.Flows = []reading.Flow{{Listener: netListen, Group: netGroup, Flows: reading.Flows{Protocol: "TCP", Received: 100, Sent: 50}}}
		}
		src.add(w.store.View(), f, leadsOf(w.store.View()))
	}
	data := src.sheet(w.store.View(), src.minutes.take(minute)[0]).data(time.Unix(0, 0), minute)
	of := []string{"LoadBalancer", "net/tcp/0123456789abcdef"}
	for name, want := range map[string]metrics.Stats{
		"ActiveFlowCount": {Count: minute}, "NewFlowCount": metrics.One(0), "TCP_Client_Reset_Count": metrics.One(0),
		"TCP_Target_Reset_Count": metrics.One(0), "TCP_ELB_Reset_Count": metrics.One(0), "ProcessedBytes": metrics.One(450),
		"PeakBytesPerSecond": metrics.One(30), // the ten seconds from 20 on
	} {
		if got := only(t, statsOf(data, minute, model.NamespaceNetwork, name, of...)); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	for _, name := range []string{"RejectedFlowCount", "NewFlowCount_TCP"} {
		if got := statsOf(data, minute, model.NamespaceNetwork, name, of...); len(got) != 0 {
			t.Errorf("%s: got %v, want nothing", name, got)
		}
	}
}
