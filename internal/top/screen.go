package top

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Style is how a line looks.
type Style int

// The styles.
const (
	Plain Style = iota
	Bold
	Dim
	Red
	Selected
)

// Line is a line of the screen: plain text without control characters, each rune of it one cell wide.
type Line struct {
	Text  string
	Style Style
}

// Key is a key that somebody pressed: a character, or one of those below.
type Key rune

// The keys that mean something.
const (
	None        Key = 0
	MachinesKey Key = 'm'
	SortKey     Key = 's'
	HelpKey     Key = '?'
	FilterKey   Key = '/'
)

// The keys without a character.
const (
	Quit Key = -1 - iota
	Up
	Down
	Left
	Right
	PageUp
	PageDown
	Home
	End
	Enter
	Back
	Erase
)

// meaning is the key that a character stands for, outside of a text that is typed.
func meaning(k Key) Key {
	switch k {
	case 'q', 'Q':
		return Quit
	case 'k':
		return Up
	case 'j':
		return Down
	case 'l', Right:
		return Enter
	case 'h', Left, Erase:
		return Back
	case 'g':
		return Home
	case 'G':
		return End
	default:
		return k
	}
}

// Size is that of a terminal, in cells.
type Size struct{ Columns, Rows int }

// page is what the screen shows a table of.
type page int

const (
	services page = iota
	tasks
	machines
)

// Screen is what is shown and where the cursor is. The zero value shows the services.
type Screen struct {
	page    page
	help    bool
	service Service   // whose tasks are shown
	sort    [3]int    // by page, the column that rows are sorted by: an index into orders
	filter  [3]string // by page, what rows have to have in them
	typing  bool      // the filter
	cursor  int       // row
	chosen  string    // ARN of the service under the cursor, which it follows
	top     int       // the first row that is seen
}

// Asks says what the screen needs.
func (s *Screen) Asks() Ask {
	switch s.page {
	case tasks:
		return Ask{Service: s.service.ARN}
	case machines:
		return Ask{Machines: true}
	}
	return Ask{}
}

// Press does what a key means; true for the end.
func (s *Screen) Press(k Key, snap *Snapshot) (quit bool) {
	if s.typing && s.typed(k) {
		return false
	}
	k = meaning(k)
	switch {
	case k == Quit:
		return true
	case k == HelpKey:
		s.help = !s.help
	case s.help:
		s.help = k == None
	case k == FilterKey:
		s.typing = true
	case k == Back:
		s.back()
	case k == MachinesKey && s.page == machines:
		s.turn(services)
	case k == MachinesKey:
		s.turn(machines)
	case k == SortKey:
		s.sort[s.page] = (s.sort[s.page] + 1) % len(s.orders())
	case k == Enter && s.page == services:
		if rows := s.services(snap); len(rows) > 0 {
			s.service = rows[s.place(snap)]
			s.turn(tasks)
		}
	default:
		s.move(k, snap)
	}
	return false
}

// turn shows another page. What tasks were filtered by was meant for those of one service.
func (s *Screen) turn(p page) { s.page, s.cursor, s.top, s.filter[tasks] = p, 0, 0, "" }

// back ends the filter, or leads back to the services.
func (s *Screen) back() {
	if s.filter[s.page] != "" {
		s.filter[s.page] = ""
		return
	}
	s.turn(services)
}

// maxFilter is how many characters a filter has at most.
const maxFilter = 64

// typed changes the filter that is typed; false for a key that is no part of one, as those that move the cursor.
func (s *Screen) typed(k Key) bool {
	text := []rune(s.filter[s.page])
	switch {
	case k == Enter:
		s.typing = false
	case k == Back:
		s.typing, text = false, nil
	case k == Erase && len(text) == 0:
		s.typing = false
	case k == Erase:
		text = text[:len(text)-1]
	case k > 0 && len(text) < maxFilter && narrow(rune(k)) == rune(k):
		text = append(text, rune(k))
	case k == Left || k == Right: // there is no cursor in the text, and they would leave the page
	case k < 0:
		return false
	}
	s.filter[s.page] = string(text)
	return true
}

// shows says whether a row has what is filtered by in one of its texts, in capitals or not.
func (s *Screen) shows(p page, texts ...string) bool {
	want := strings.ToLower(s.filter[p])
	return want == "" || slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), want) })
}

const pageRows = 10

// move moves the cursor.
func (s *Screen) move(k Key, snap *Snapshot) {
	last := s.rows(snap) - 1
	at := s.place(snap) + map[Key]int{Up: -1, Down: 1, PageUp: -pageRows, PageDown: pageRows, Home: -last, End: last}[k]
	s.cursor = max(0, min(at, last))
	if s.page == services && last >= 0 {
		s.chosen = s.services(snap)[s.cursor].ARN
	}
}

// place is the row of the cursor, which stays on a service when others are sorted before it.
func (s *Screen) place(snap *Snapshot) int {
	if s.page == services {
		if i := slices.IndexFunc(s.services(snap), func(svc Service) bool { return svc.ARN == s.chosen }); i >= 0 {
			s.cursor = i
		}
	}
	return max(0, min(s.cursor, s.rows(snap)-1))
}

func (s *Screen) rows(snap *Snapshot) int {
	switch s.page {
	case tasks:
		return len(s.tasks(snap))
	case machines:
		return len(s.machines(snap))
	}
	return len(s.services(snap))
}

// orders are the names of what the rows of the page can be sorted by.
func (s *Screen) orders() []string {
	switch s.page {
	case tasks:
		return []string{"age", "cpu", "memory"}
	case machines:
		return []string{"name", "cpu", "tasks"}
	}
	return []string{"name", "cpu", "memory", "requests", "p99"}
}

func (s *Screen) order() string { return s.orders()[s.sort[s.page]] }

// services are the services as they are sorted: by name, or with the largest number first.
func (s *Screen) services(snap *Snapshot) []Service {
	rows := slices.DeleteFunc(slices.Clone(snap.Services), func(svc Service) bool {
		return !s.shows(services, svc.Cluster+"/"+svc.Name)
	})
	by := map[string]func(*Service) *float64{
		"cpu": func(s *Service) *float64 { return s.CPU }, "memory": func(s *Service) *float64 { return s.Memory },
		"requests": func(s *Service) *float64 { return s.Requests }, "p99": func(s *Service) *float64 { return s.P99 },
	}[[]string{"name", "cpu", "memory", "requests", "p99"}[s.sort[services]]]
	slices.SortStableFunc(rows, func(a, b Service) int {
		if by != nil {
			if c := descending(by(&a), by(&b)); c != 0 {
				return c
			}
		}
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ARN, b.ARN))
	})
	return rows
}

func (s *Screen) tasks(snap *Snapshot) []Task {
	rows := slices.DeleteFunc(slices.Clone(snap.Tasks), func(t Task) bool {
		return !s.shows(tasks, t.ID, t.Status, t.Health, t.Definition, t.Host)
	})
	slices.SortStableFunc(rows, func(a, b Task) int {
		c := 0
		switch s.order() {
		case "cpu":
			c = descending(a.CPU, b.CPU)
		case "memory":
			c = descending(a.Memory, b.Memory)
		}
		return cmp.Or(c, youngest(a.StartedAt, b.StartedAt), cmp.Compare(a.ID, b.ID))
	})
	return rows
}

func (s *Screen) machines(snap *Snapshot) []Machine {
	rows := slices.DeleteFunc(slices.Clone(snap.Machines), func(m Machine) bool { return !s.shows(machines, m.Host, m.ID, m.Driver) })
	slices.SortStableFunc(rows, func(a, b Machine) int {
		c := 0
		switch s.order() {
		case "cpu":
			c = cmp.Or(descending(a.UsedCPU, b.UsedCPU), cmp.Compare(b.ReservedCPU, a.ReservedCPU))
		case "tasks":
			c = cmp.Compare(b.Tasks, a.Tasks)
		}
		return cmp.Or(c, cmp.Compare(a.Host, b.Host), cmp.Compare(a.ID, b.ID))
	})
	return rows
}

// youngest orders times from the newest on; what has not begun comes first.
func youngest(a, b time.Time) int {
	switch {
	case a.IsZero() && !b.IsZero():
		return -1
	case b.IsZero() && !a.IsZero():
		return 1
	}
	return b.Compare(a)
}

// descending orders numbers from the largest on; what is not known comes last.
func descending(a, b *float64) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return cmp.Compare(*b, *a)
}

// Lines is what the screen shows of a snapshot, exactly as many lines as it has rows, none wider than it. trouble is why
// there is no newer snapshot, nil if this is the newest.
func (s *Screen) Lines(snap *Snapshot, trouble error, size Size) []Line {
	lines := make([]Line, 0, max(0, size.Rows))
	add := func(text string, style Style) {
		if len(lines) < size.Rows {
			lines = append(lines, Line{clip(text, size.Columns), style})
		}
	}
	add(s.title(snap), Bold)
	if trouble != nil {
		add(trouble.Error(), Red)
	}
	if s.help {
		for _, text := range help {
			add(text, Plain)
		}
	} else {
		s.body(snap, size, len(lines), add)
	}
	for len(lines) < size.Rows-1 {
		add("", Plain)
	}
	if size.Rows > 1 {
		lines = lines[:size.Rows-1]
		add(s.footer(), Dim)
	}
	return lines
}

// body adds the table: its head, and as many rows as there is room for, the one under the cursor among them.
func (s *Screen) body(snap *Snapshot, size Size, used int, add func(string, Style)) {
	t := s.table(snap)
	room := size.Rows - used - 2 // the head, the footer
	texts := t.render(size.Columns)
	add(texts[0], Bold)
	rows, at := texts[1:], s.place(snap)
	s.top = max(0, min(s.top, at, len(rows)-room))
	if at >= s.top+room {
		s.top = at - room + 1
	}
	for i := s.top; i < len(rows) && i < s.top+room; i++ {
		style := Plain
		switch {
		case i == at:
			style = Selected
		case t.wrong(i):
			style = Red
		}
		add(rows[i], style)
	}
	if len(rows) == 0 {
		add("(none)", Dim)
	}
}

var help = []string{
	"", "  up, down, k, j    move the cursor", "  enter             the tasks of the service", "  esc, left         back to the services",
	"  m                 machines, and back", "  s                 sort by the next column",
	"  /                 show only what has a text in it; esc ends that", "  ?                 this help", "  q                 quit",
	"", "  CPU and MEM are percent of what the tasks have reserved.", "  LOAD is the CPU of the last minute, a full cell is 100 or the most of it.",
}

func (s *Screen) title(snap *Snapshot) string {
	desired, running := 0, 0
	for i := range snap.Services {
		desired += snap.Services[i].Desired
		running += snap.Services[i].Running
	}
	what := fmt.Sprintf("%d services, %d of %d tasks run", len(snap.Services), running, desired)
	switch s.page {
	case tasks:
		what = fmt.Sprintf("service %s/%s: %d of %d tasks run", s.service.Cluster, s.service.Name, s.current(snap).Running, s.current(snap).Desired)
	case machines:
		what = fmt.Sprintf("%d machines", len(snap.Machines))
	}
	return fmt.Sprintf("maitred top  %s  %s", snap.At.Local().Format("15:04:05"), what)
}

// current is the service whose tasks are shown as it is now.
func (s *Screen) current(snap *Snapshot) Service {
	for i := range snap.Services {
		if snap.Services[i].ARN == s.service.ARN {
			return snap.Services[i]
		}
	}
	return s.service
}

func (s *Screen) footer() string {
	filter := s.filter[s.page]
	switch {
	case s.typing:
		return "/" + filter + "_  enter keep  esc show all"
	case filter != "":
		filter = "/" + filter + " (esc shows all)  "
	}
	keys := "enter tasks  m machines"
	switch s.page {
	case tasks:
		keys = "esc services  m machines"
	case machines:
		keys = "esc services"
	}
	return filter + keys + "  s sort (" + s.order() + ")  / filter  ? help  q quit"
}
