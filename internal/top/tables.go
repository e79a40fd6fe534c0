package top

import (
	"fmt"
	"strconv"
	"time"
)

// table is the table of the page.
func (s *Screen) table(snap *Snapshot) *table {
	switch s.page {
	case tasks:
		return taskTable(snap, s.tasks(snap))
	case machines:
		return machineTable(s.machines(snap))
	}
	return serviceTable(snap, s.services(snap))
}

func serviceTable(snap *Snapshot, rows []Service) *table {
	num := func(title string, rank int, of func(*Service) string) column {
		return column{title: title, right: true, most: 9, rank: rank, cell: func(i, _ int) string { return of(&rows[i]) }}
	}
	return &table{rows: len(rows), columns: []column{
		{title: "SERVICE", least: 8, most: 40, cell: func(i, _ int) string { return serviceName(&rows[i]) }},
		num("RUN", 0, func(s *Service) string { return fmt.Sprintf("%d/%d", s.Running, s.Desired) }),
		num("PEND", 3, func(s *Service) string { return strconv.Itoa(s.Pending) }),
		num("CPU%", 1, func(s *Service) string { return number(s.CPU) }),
		num("MEM%", 2, func(s *Service) string { return number(s.Memory) }),
		num("REQ/S", 4, func(s *Service) string { return number(s.Requests) }),
		num("P99", 5, func(s *Service) string { return seconds(s.P99) }),
		num("HEALTHY", 6, healthy),
		{title: "LOAD", least: 10, most: 30, rank: 7, cell: func(i, width int) string { return Spark(rows[i].Load, width) }},
		{title: "LAST SCALING", least: 16, most: 60, rank: 8, cell: func(i, _ int) string { return scaled(snap.At, rows[i].Scaled) }},
	}, wrong: func(i int) bool { return rows[i].Running < rows[i].Desired || rows[i].Healthy < rows[i].Targets }}
}

// serviceName leaves out the cluster that everybody has.
func serviceName(s *Service) string {
	name := s.Name
	if s.Cluster != "default" {
		name = s.Cluster + "/" + name
	}
	if s.Status != "ACTIVE" {
		name += " (" + s.Status + ")"
	}
	return name
}

func healthy(s *Service) string {
	if s.Targets == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", s.Healthy, s.Targets)
}

func scaled(now time.Time, s *Scaled) string {
	if s == nil {
		return "-"
	}
	return age(now, s.At) + " ago: " + s.Text
}

func taskTable(snap *Snapshot, rows []Task) *table {
	text := func(title string, least, most, rank int, of func(*Task) string) column {
		return column{title: title, least: least, most: most, rank: rank, cell: func(i, _ int) string { return of(&rows[i]) }}
	}
	num := func(title string, rank int, of func(*Task) string) column {
		c := text(title, 0, 9, rank, of)
		c.right = true
		return c
	}
	return &table{rows: len(rows), columns: []column{
		text("TASK", 8, 32, 0, func(t *Task) string { return t.ID }),
		text("STATUS", 7, 14, 0, func(t *Task) string { return t.Status }),
		text("WANTED", 7, 7, 4, func(t *Task) string { return t.Wanted }),
		text("HEALTH", 7, 9, 2, func(t *Task) string { return t.Health }),
		num("CPU%", 1, func(t *Task) string { return number(t.CPU) }),
		num("MEM%", 1, func(t *Task) string { return number(t.Memory) }),
		num("AGE", 3, func(t *Task) string { return age(snap.At, t.StartedAt) }),
		text("DEFINITION", 8, 30, 5, func(t *Task) string { return t.Definition }),
		text("MACHINE", 8, 40, 6, func(t *Task) string { return t.Host }),
	}, wrong: func(i int) bool { return rows[i].Health == "UNHEALTHY" }}
}

func machineTable(rows []Machine) *table {
	num := func(title string, rank int, of func(*Machine) string) column {
		return column{title: title, right: true, most: 15, rank: rank, cell: func(i, _ int) string { return of(&rows[i]) }}
	}
	return &table{rows: len(rows), columns: []column{
		{title: "MACHINE", least: 8, most: 40, cell: func(i, _ int) string { return rows[i].Host }},
		{title: "STATE", least: 4, most: 9, cell: func(i, _ int) string {
			if rows[i].Connected {
				return "connected"
			}
			return "away"
		}},
		num("TASKS", 0, func(m *Machine) string { return strconv.Itoa(m.Tasks) }),
		num("CPU%", 1, func(m *Machine) string { return number(m.UsedCPU) }),
		num("MEM%", 2, func(m *Machine) string { return number(m.UsedMemory) }),
		num("CPU UNITS", 3, func(m *Machine) string { return fmt.Sprintf("%d/%d", m.ReservedCPU, m.CPU) }),
		num("MEMORY MIB", 4, func(m *Machine) string { return fmt.Sprintf("%d/%d", m.ReservedMemory, m.Memory) }),
		{title: "DRIVER", least: 6, most: 10, rank: 5, cell: func(i, _ int) string { return rows[i].Driver }},
		{title: "ID", least: 8, most: 32, rank: 6, cell: func(i, _ int) string { return rows[i].ID }},
	}, wrong: func(i int) bool { return !rows[i].Connected }}
}
