package daemon

import (
	"html/template"
	"net/http"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// page is what a browser sees at / until there is a console.
var page = template.Must(template.New("status").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>maitred</title><meta http-equiv="refresh" content="2">
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b2430 }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem } td, th { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #d5dbe3 }
pre { background: #f3f5f8; padding: .8rem; overflow-x: auto } code { background: #f3f5f8 } .dim { color: #5b6673 }
</style>
<h1>maitred</h1>
<p>Amazon ECS services on your own machines. This server speaks the ECS API at this address.</p>
<h2>What runs</h2>
{{range .Clusters}}<h3>Cluster {{.Name}} <span class="dim">{{.Region}}</span></h3>
{{if .Services}}<table><tr><th>Service<th>Status<th>Running<th>Pending<th>Desired<th>Task definition<th>Reachable at</tr>
{{range .Services}}<tr><td>{{.Name}}<td>{{.Status}}<td>{{.Running}}<td>{{.Pending}}<td>{{.Desired}}<td>{{.Definition}}<td>{{range .At}}<a href="http://{{.}}/">{{.}}</a> {{end}}</tr>
{{end}}</table>{{else}}<p class="dim">No services.</p>{{end}}{{end}}
<h2>Machines</h2>
<table><tr><th>Host<th>Driver<th>CPU units<th>Memory<th>Connected</tr>
{{range .Machines}}<tr><td>{{.Host}}<td>{{.Driver}} <span class="dim">({{.DriverReason}})</span><td>{{.Capacity.CPU}}<td>{{.Capacity.Memory}} MiB<td>{{.Connected}}</tr>{{end}}
</table>
<h2>How to talk to it</h2>
<pre>eval "$(maitred env)"
aws ecs list-services
aws ecs describe-services --services NAME
maitred why NAME</pre>
</html>
`))

type statusCluster struct {
	Name, Region string
	Services     []statusService
}

type statusService struct {
	Name, Definition          string
	Status                    model.Status
	Running, Pending, Desired int
	At                        []string
}

// status answers / with what runs here and how to talk to it.
func (s *server) status(w http.ResponseWriter, _ *http.Request) {
	v := s.store.View()
	var data struct {
		Clusters []statusCluster
		Machines []*model.Machine
	}
	for c := range v.Clusters() {
		if c.Status == model.Active {
			data.Clusters = append(data.Clusters, clusterStatus(v, c))
		}
	}
	for m := range v.Machines() {
		data.Machines = append(data.Machines, m)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	if err := page.Execute(w, data); err != nil {
		s.cfg.Log.Debug("the status page could not be written", "error", err)
	}
}

func clusterStatus(v *store.View, c *model.Cluster) statusCluster {
	out := statusCluster{Name: c.Name, Region: c.Region}
	for svc := range v.Services(c.ARN) {
		if svc.Status == model.Inactive {
			continue
		}
		row := statusService{Name: svc.Name, Status: svc.Status, Desired: svc.DesiredCount}
		if d, ok := v.Deployment(svc.ARN, svc.Primary); ok {
			row.Definition = model.ShortID(d.TaskDefinition)
		}
		for t := range v.TasksOfService(svc.ARN) {
			switch {
			case t.LastStatus() == model.TaskRunning:
				row.Running++
				row.At = append(row.At, addresses(t)...)
			case t.Alive():
				row.Pending++
			}
		}
		out.Services = append(out.Services, row)
	}
	return out
}
