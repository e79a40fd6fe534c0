package model

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// AWSLogs is what a container's log configuration asks of CloudWatch Logs ("Send Amazon ECS logs to CloudWatch").
type AWSLogs struct {
	Group  string
	Region string
	Prefix string // of the names of streams, "" if not given
	Create bool   // the group is made if there is none
	// Begin finds the first line of an event of several lines; nil if each line is one.
	Begin *regexp.Regexp
}

// Stream names the stream of a container of a task, by its id: PREFIX/CONTAINER/TASK, else the runtime's id of the
// container.
func (a *AWSLogs) Stream(container, task, runtimeID string) string {
	if a.Prefix == "" {
		return runtimeID
	}
	return a.Prefix + "/" + container + "/" + task
}

// AWSLogs reads the options of the log driver awslogs. The error names the option that is wrong, or that cannot be
// honoured; it is for people.
func (l *LogConfiguration) AWSLogs() (AWSLogs, error) {
	o := l.Options
	a := AWSLogs{Group: o["awslogs-group"], Region: o["awslogs-region"], Prefix: o["awslogs-stream-prefix"]}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if !knownLogOption(name) {
			return a, fmt.Errorf("the option %s of the log driver awslogs is not supported", name)
		}
	}
	if a.Group == "" {
		return a, errors.New("awslogs-group is missing")
	}
	if problem := LogGroupNameProblem(a.Group); problem != "" {
		return a, fmt.Errorf("awslogs-group: %s", problem)
	}
	if mode := o["mode"]; mode != "" && mode != "blocking" && mode != "non-blocking" {
		return a, fmt.Errorf("mode should be blocking or non-blocking, got %.100q", mode)
	}
	switch o["awslogs-create-group"] {
	case "true":
		a.Create = true
	case "", "false":
	default:
		return a, fmt.Errorf("awslogs-create-group should be true or false, got %.100q", o["awslogs-create-group"])
	}
	if strings.ContainsAny(a.Prefix, ":*") {
		return a, fmt.Errorf("awslogs-stream-prefix %.100q: a stream's name has no : and no *", a.Prefix)
	}
	var err error
	a.Begin, err = beginning(o["awslogs-datetime-format"], o["awslogs-multiline-pattern"])
	return a, err
}

func knownLogOption(name string) bool {
	switch name {
	case "awslogs-group", "awslogs-region", "awslogs-stream-prefix", "awslogs-create-group", "awslogs-datetime-format",
		"awslogs-multiline-pattern", "mode", "max-buffer-size":
		return true
	}
	return false
}

// beginning is the expression that finds the first line of an event, from either of the two options for it.
func beginning(datetime, pattern string) (*regexp.Regexp, error) {
	option, expression := "awslogs-multiline-pattern", pattern
	if datetime != "" {
		if pattern != "" {
			return nil, errors.New("awslogs-datetime-format and awslogs-multiline-pattern cannot be given together")
		}
		option, expression = "awslogs-datetime-format", datetimeExpression(datetime)
	}
	if expression == "" {
		return nil, nil
	}
	re, err := regexp.Compile(expression)
	if err != nil {
		return nil, fmt.Errorf("%s %.100q: %w", option, cmp.Or(pattern, datetime), err)
	}
	return re, nil
}

// datetimeExpression makes a regular expression of a format of strftime ("awslogs-datetime-format").
func datetimeExpression(format string) string {
	const two = `\d{2}`
	known := map[byte]string{
		'A': `(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day`, 'a': `(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)`,
		'B': `(?:January|February|March|April|May|June|July|August|September|October|November|December)`,
		'b': `(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)`, 'd': two, 'f': `\d{6}`, 'H': two, 'I': two, 'j': `\d{3}`,
		'L': `\.\d{3}`, 'M': two, 'm': two, 'p': `(?:AM|PM|am|pm)`, 'S': two, 'Y': `\d{4}`, 'y': two,
		'Z': `[A-Z]{1,5}`, 'z': `[+-]\d{4}`, '%': `%`,
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] == '%' && i+1 < len(format) && known[format[i+1]] != "" {
			i++
			b.WriteString(known[format[i]])
			continue
		}
		b.WriteString(regexp.QuoteMeta(format[i : i+1]))
	}
	return b.String()
}

var logGroupName = regexp.MustCompile(`^[\.\-_/#A-Za-z0-9]+$`)

// LogGroupNameProblem says what is wrong with the name of a log group, "" for nothing ("CreateLogGroup").
func LogGroupNameProblem(name string) string {
	const most = 512
	switch {
	case name == "" || len(name) > most:
		return fmt.Sprintf("the name of a log group has 1 to %d characters", most)
	case !logGroupName.MatchString(name):
		return fmt.Sprintf("%.100q has a character that is none of letters, digits and _ - / . #", name)
	case strings.HasPrefix(name, "aws/"):
		return "names that begin with aws/ belong to AWS"
	}
	return ""
}
