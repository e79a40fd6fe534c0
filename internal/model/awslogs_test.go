package model_test

import (
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/model"
)

func TestAWSLogs(t *testing.T) {
	t.Parallel()
	const group = "awslogs-group"
	for name, c := range map[string]struct {
		options map[string]string
		want    string // a part of the error
	}{
		"all":               {map[string]string{group: "/a", "awslogs-region": "eu-west-1", "awslogs-create-group": "true", "mode": "blocking", "max-buffer-size": "1m"}, ""},
		"no group":          {nil, "awslogs-group is missing"},
		"bad group":         {map[string]string{group: "a b"}, "none of letters"},
		"long group":        {map[string]string{group: strings.Repeat("x", 513)}, "1 to 512"},
		"group of AWS":      {map[string]string{group: "aws/x"}, "belong to AWS"},
		"unknown option":    {map[string]string{group: "a", "awslogs-endpoint": "x"}, "awslogs-endpoint of the log driver awslogs is not supported"},
		"bad create":        {map[string]string{group: "a", "awslogs-create-group": "yes"}, "true or false"},
		"bad mode":          {map[string]string{group: "a", "mode": "fast"}, "blocking or non-blocking"},
		"bad prefix":        {map[string]string{group: "a", "awslogs-stream-prefix": "a:b"}, "no :"},
		"bad pattern":       {map[string]string{group: "a", "awslogs-multiline-pattern": "("}, "missing closing"},
		"pattern and times": {map[string]string{group: "a", "awslogs-multiline-pattern": "x", "awslogs-datetime-format": "%Y"}, "together"},
	} {
		_, err := (&model.LogConfiguration{Driver: "awslogs", Options: c.options}).AWSLogs()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: AWSLogs = %v, want %q", name, err, c.want)
		}
	}
}

func TestAWSLogsBegin(t *testing.T) {
	t.Parallel()
	for format, c := range map[string]struct{ begins, goesOn string }{
		"[%b %d, %Y %H:%M:%S]":    {"[Mar 01, 2026 12:00:00] started", "  at main.go:5"},
		"%Y-%m-%dT%H:%M:%S%L%z":   {"2026-03-01T12:00:00.250+0000 x", "2026-03-01 x"},
		"100%% %A %I %p %j %y %Z": {"100% Sunday 12 PM 060 26 UTC", "100%% Sunday"},
	} {
		a, err := (&model.LogConfiguration{Options: map[string]string{"awslogs-group": "a", "awslogs-datetime-format": format}}).AWSLogs()
		if err != nil {
			t.Errorf("%s: AWSLogs = %v", format, err)
			continue
		}
		if !a.Begin.MatchString(c.begins) || a.Begin.MatchString(c.goesOn) {
			t.Errorf("%s is %s: want it to match %q and not %q", format, a.Begin, c.begins, c.goesOn)
		}
	}
}

func TestAWSLogsStream(t *testing.T) {
	t.Parallel()
	a := model.AWSLogs{Prefix: "web"}
	if got, want := a.Stream("main", "0123", "77"), "web/main/0123"; got != want {
		t.Errorf("Stream = %q, want %q", got, want)
	}
	a.Prefix = ""
	if got, want := a.Stream("main", "0123", "77"), "77"; got != want {
		t.Errorf("without a prefix Stream = %q, want %q", got, want)
	}
}
