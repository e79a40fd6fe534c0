//go:build linux

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/keeper"
	"github.com/maitred/maitred/internal/testneeds"
)

// crashWorld is a server that lives and an agent that does not, with tasks that note each time that they are started.
type crashWorld struct {
	t             *testing.T
	dir, driver   string
	tallies       string // a directory of this machine, with a file for each task
	server, agent *process
	c             *ecs.Client
	subnet        string
	image         string
	vpc           string   // of this test alone: two on one machine cannot have the same addresses
	families      []string // that tasks are started of in turn
	victim        func()   // kills what is neither agent nor keeper
	orphans       []string // interfaces without a bridge that were there before
}

// newCrashWorld starts a server and an agent that runs containers by a driver.
func newCrashWorld(t *testing.T, driver string) *crashWorld {
	t.Helper()
	testneeds.Root(t)
	if driver == "oci" {
		testneeds.Command(t, "runc")
	}
	w := &crashWorld{t: t, dir: stateDir(t), driver: driver, tallies: t.TempDir(), image: guestImage(t)}
	t.Cleanup(w.sweep)
	w.orphans = orphans(t)
	sum := sha256.Sum256([]byte(w.dir))
	w.vpc = fmt.Sprintf("10.%d.0.0/16", 64+sum[0]%128)
	w.server = start(t, "server", "--data-dir", w.dir, "--listen", "127.0.0.1:0", "--vpc-cidr", w.vpc)
	w.c = client(w.server.api)
	w.startAgent()
	t.Cleanup(w.tell)
	eventually(t, "the machine is a container instance", func() bool {
		list, err := w.c.ListContainerInstances(t.Context(), &ecs.ListContainerInstancesInput{})
		return err == nil && len(list.ContainerInstanceArns) == 1
	})
	answer, err := http.PostForm(w.server.api, url.Values{"Action": {"DescribeSubnets"}, "Version": {"2016-11-15"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var text bytes.Buffer
	if _, err := text.ReadFrom(answer.Body); err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`<subnetId>([^<]+)<`).FindSubmatch(text.Bytes())
	if found == nil {
		t.Fatalf("DescribeSubnets tells no subnet: %s", &text)
	}
	w.subnet = string(found[1])
	return w
}

// sweep removes from the machine what a test that failed has left there.
func (w *crashWorld) sweep() {
	killAll(w.t, w.dir)
	mounts, _ := os.ReadFile("/proc/thread-self/mounts")
	for line := range strings.Lines(string(mounts)) {
		if word := strings.Fields(line); len(word) > 1 && strings.HasPrefix(word[1], w.dir+"/") {
			_ = unix.Unmount(word[1], unix.MNT_DETACH) // the namespace goes, and its interface with it
		}
	}
	for _, name := range w.bridges() {
		if link, err := netlink.LinkByName(name); err == nil {
			_ = netlink.LinkDel(link)
		}
	}
	_ = w.dropTable() // it may be gone
	for _, dir := range slices.Concat(w.cgroups("*/*"), w.cgroups("*"), w.cgroups("")) {
		_ = unix.Rmdir(dir)
	}
	_ = os.RemoveAll(w.runDir())
}

// dropTable removes the world's table of nf_tables.
func (w *crashWorld) dropTable() error {
	var tables nftables.Conn
	tables.DelTable(&nftables.Table{Name: "maitred_" + w.scope(4, w.dir), Family: nftables.TableFamilyIPv4})
	return tables.Flush()
}

func (w *crashWorld) agentArgs() []string {
	return []string{"--data-dir", w.dir, "--driver", w.driver, "--allow-host-path", w.tallies, "--vpc-cidr", w.vpc}
}

func (w *crashWorld) startAgent() {
	w.t.Helper()
	w.agent = start(w.t, append([]string{"agent"}, w.agentArgs()...)...)
}

// runDir is where the oci driver keeps what does not outlive the machine's start.
func (w *crashWorld) runDir() string {
	return "/run/maitred/" + w.scope(5, filepath.Join(w.dir, "oci"))
}

// scope is a short name of a directory.
func (w *crashWorld) scope(n int, dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return hex.EncodeToString(sum[:n])
}

// register makes a task definition of one container of the guest.
func (w *crashWorld) register(family string, mode types.NetworkMode, change func(*types.ContainerDefinition), command ...string) {
	w.t.Helper()
	def := types.ContainerDefinition{
		Name: aws.String("app"), Image: &w.image, Memory: aws.Int32(64), Command: command,
		MountPoints: []types.MountPoint{{SourceVolume: aws.String("tallies"), ContainerPath: aws.String("/tallies")}},
	}
	if mode == types.NetworkModeBridge {
		def.PortMappings = []types.PortMapping{{ContainerPort: aws.Int32(8080)}}
	}
	if change != nil {
		change(&def)
	}
	_, err := w.c.RegisterTaskDefinition(w.t.Context(), &ecs.RegisterTaskDefinitionInput{
		Family: &family, NetworkMode: mode, ContainerDefinitions: []types.ContainerDefinition{def},
		Volumes: []types.Volume{{Name: aws.String("tallies"), Host: &types.HostVolumeProperties{SourcePath: &w.tallies}}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *crashWorld) network(family string) *types.NetworkConfiguration {
	if !strings.HasPrefix(family, "own") {
		return nil
	}
	return &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{w.subnet}}}
}

// run asks for a task with a tally of its own, and gives its ARN.
func (w *crashWorld) run(family, tally string) string {
	w.t.Helper()
	out, err := w.c.RunTask(w.t.Context(), &ecs.RunTaskInput{
		TaskDefinition: &family, NetworkConfiguration: w.network(family),
		Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{
			Name: aws.String("app"), Environment: []types.KeyValuePair{{Name: aws.String("TALLY"), Value: aws.String("/tallies/" + tally)}},
		}}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(out.Tasks) != 1 {
		w.t.Fatalf("RunTask gave no task: %+v", out.Failures)
	}
	return *out.Tasks[0].TaskArn
}

func (w *crashWorld) stop(arn string) {
	w.t.Helper()
	if _, err := w.c.StopTask(w.t.Context(), &ecs.StopTaskInput{Task: &arn}); err != nil {
		w.t.Fatal(err)
	}
}

// settled waits until each of some tasks runs or is over, and gives them in the same order.
func (w *crashWorld) settled(arns []string, over bool) []types.Task {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		tasks := describe(w.t, w.c, arns)
		open := slices.ContainsFunc(tasks, func(t types.Task) bool {
			status := aws.ToString(t.LastStatus)
			return status != "STOPPED" && (over || status != "RUNNING")
		})
		if !open && len(tasks) == len(arns) {
			slices.SortFunc(tasks, func(a, b types.Task) int {
				return slices.Index(arns, *a.TaskArn) - slices.Index(arns, *b.TaskArn)
			})
			return tasks
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("not within %v: all tasks have settled: %s", patience, brief(tasks))
		}
		<-tick.C
	}
}

func shortID(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// why is all that a task says of its end.
func why(t *types.Task) string {
	text := aws.ToString(t.StoppedReason)
	for i := range t.Containers {
		text += " " + aws.ToString(t.Containers[i].Reason)
	}
	return strings.TrimSpace(text)
}

// kept is what the keeper tells of all containers. It may have been killed; then the agent starts the next one.
func (w *crashWorld) kept() (all []driver.Status) {
	w.t.Helper()
	eventually(w.t, "a keeper tells of its containers", func() bool {
		k, err := keeper.Dial(w.t.Context(), filepath.Join(w.dir, "oci", "keeper"))
		if err != nil {
			return false
		}
		defer func() { _ = k.Close() }()
		all, err = k.List(w.t.Context())
		return err == nil
	})
	return all
}

// runc tells the status of each container that the runtime knows, by id.
func (w *crashWorld) runc() map[string]string {
	w.t.Helper()
	out, err := exec.Command("runc", "--root", filepath.Join(w.runDir(), "runtime"), "list", "--format", "json").Output()
	if err != nil {
		w.t.Fatalf("runc list: %v", err)
	}
	var all []struct{ ID, Status string }
	if err := json.Unmarshal(out, &all); err != nil {
		w.t.Fatalf("runc list: %v in %s", err, out)
	}
	found := map[string]string{}
	for _, c := range all {
		found[c.ID] = c.Status
	}
	return found
}

// cgroups lists the directories of the cgroup of a world, with a path below it, in all hierarchies.
func (w *crashWorld) cgroups(below string) []string {
	name := filepath.Join("maitred-"+w.scope(5, filepath.Join(w.dir, "oci")), below)
	one, _ := filepath.Glob("/sys/fs/cgroup/" + name)
	many, _ := filepath.Glob("/sys/fs/cgroup/*/" + name)
	return append(one, many...)
}

// processes counts what runs in the cgroups of a container.
func (w *crashWorld) processes(id string) int {
	found := map[string]bool{}
	for _, dir := range append(w.cgroups(id), w.cgroups("task-*/"+id)...) {
		text, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		for pid := range strings.FieldsSeq(string(text)) {
			if stat, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil && !bytes.Contains(stat, []byte(") Z ")) {
				found[pid] = true
			}
		}
	}
	return len(found)
}

// started counts how often a task noted its start.
func (w *crashWorld) started(tally string) int {
	text, _ := os.ReadFile(filepath.Join(w.tallies, tally))
	return bytes.Count(text, []byte("\n"))
}

// links lists the machine's interfaces, though others come and go meanwhile.
func links(t *testing.T) (all []netlink.Link) {
	t.Helper()
	eventually(t, "a list of interfaces that is whole", func() bool {
		var err error
		all, err = netlink.LinkList()
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			t.Fatal(err)
		}
		return err == nil
	})
	return all
}

// orphans are virtual interfaces of containers that are in no bridge.
func orphans(t *testing.T) []string {
	t.Helper()
	links := links(t)
	var names []string
	for _, l := range links {
		if a := l.Attrs(); l.Type() == "veth" && strings.HasPrefix(a.Name, "mt") && a.MasterIndex == 0 {
			names = append(names, a.Name)
		}
	}
	return names
}

// names lists the entries of a directory with a word before each.
func names(word, dir string) []string {
	var list []string
	entries, _ := os.ReadDir(dir) // what is not there has none
	for _, e := range entries {
		list = append(list, word+" "+e.Name())
	}
	return list
}

// left lists what containers of this world left on the machine, but for what is kept of ended ones: their logs, files
// and images.
func (w *crashWorld) left() []string {
	w.t.Helper()
	list := slices.Concat(
		names("state of the runtime", filepath.Join(w.runDir(), "runtime")), names("task", filepath.Join(w.runDir(), "tasks")),
		names("namespace", filepath.Join(w.dir, "network", "netns")), names("endpoint", filepath.Join(w.dir, "network", "endpoints")),
		names("ledger", filepath.Join(w.dir, "ports")), names("volume", filepath.Join(w.dir, "oci", "volumes", "task")),
		names("half a pull", filepath.Join(w.dir, "images", "tmp")),
	)
	for _, dir := range append(w.cgroups("*"), w.cgroups("*/*")...) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			list = append(list, "cgroup "+dir)
		}
	}
	mounts, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, w.dir) || strings.Contains(line, w.runDir()) {
			list = append(list, "mount "+strings.TrimSpace(line))
		}
	}
	return append(list, w.leftLinks()...)
}

func (w *crashWorld) leftLinks() []string {
	w.t.Helper()
	links := links(w.t)
	var list []string
	for _, name := range w.bridges() {
		if i := slices.IndexFunc(links, func(l netlink.Link) bool { return l.Attrs().Name == name }); i >= 0 {
			for _, l := range links {
				if l.Attrs().MasterIndex == links[i].Attrs().Index {
					list = append(list, "interface "+l.Attrs().Name)
				}
			}
		}
	}
	return list
}

func (w *crashWorld) bridges() []string {
	return []string{"mtv" + w.scope(4, w.dir), "mtb" + w.scope(4, w.dir)}
}

// wantKept fails unless there are directories, and holds on images, of exactly the containers that the keeper knows.
func (w *crashWorld) wantKept() {
	w.t.Helper()
	known := map[string]bool{}
	for _, s := range w.kept() {
		known[s.ID] = true
	}
	for _, dir := range []string{w.dir + "/oci/containers", w.runDir() + "/containers", w.dir + "/images/uses"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range entries {
			if !known[e.Name()] {
				w.t.Errorf("%s/%s belongs to no container that the keeper knows", dir, e.Name())
			}
		}
	}
}

// end ends everything as `maitred up` does, which takes over from the agent and the server, and wants nothing left.
func (w *crashWorld) end() {
	w.t.Helper()
	w.empty("left of the tasks", w.left)
	w.wantKept()
	w.agent.interrupt()
	w.server.interrupt()
	p := start(w.t, append([]string{"up", "--listen", "127.0.0.1:0"}, w.agentArgs()...)...)
	p.interrupt()
	for _, name := range w.bridges() {
		if _, err := netlink.LinkByName(name); err == nil {
			w.t.Errorf("bridge %s is left", name)
		}
	}
	tables, err := (&nftables.Conn{}).ListTables()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, table := range tables {
		if table.Name == "maitred_"+w.scope(4, w.dir) {
			w.t.Errorf("the table %s of nf_tables is left", table.Name)
		}
	}
	keepers, _ := filepath.Glob("/sys/fs/cgroup/*/maitred-" + w.scope(6, filepath.Join(w.dir, "oci", "keeper")))
	if dirs := append(w.cgroups(""), keepers...); len(dirs) > 0 {
		w.t.Errorf("the cgroups %v are left", dirs)
	}
	if left := w.left(); len(left) > 0 {
		w.t.Errorf("left after the end: %v", left)
	}
	eventually(w.t, "no process is left", func() bool { return len(pidsWith(w.dir)) == 0 })
	w.empty("interfaces left", func() []string {
		return slices.DeleteFunc(orphans(w.t), func(name string) bool { return slices.Contains(w.orphans, name) })
	})
}

// empty waits until there is nothing in a list, or shows what stays.
func (w *crashWorld) empty(what string, list func() []string) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		found := list()
		if len(found) == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s after %v:\n%s", what, patience, strings.Join(found, "\n"))
		}
		<-tick.C
	}
}

// layout writes the guest's image, with a stop signal of its own, as a directory, and names it.
func (w *crashWorld) layout(signal string) string {
	w.t.Helper()
	dir := w.t.TempDir()
	path, err := layout.Write(dir, empty.Index)
	w.must(err)
	w.must(path.AppendImage(guestAlone(w.t, func(c *v1.Config) { c.StopSignal = signal }),
		layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "1"})))
	return "oci:" + dir + ":1"
}
