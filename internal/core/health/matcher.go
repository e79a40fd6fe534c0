package health

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// Codes are the codes that a group's check can know ("Matcher").
type Codes struct {
	Name     string // of the member of Matcher: HttpCode or GrpcCode
	Min, Max int
	Default  string // what counts as success when nothing is said
}

// CodesOf gives the codes that the check of a group with this protocol and protocol version can know: 200 to 499 for
// Application Load Balancers, 200 to 599 for Network Load Balancers, 0 to 99 for gRPC ("Matcher").
func CodesOf(protocol, version string) Codes {
	switch {
	case protocol != "HTTP" && protocol != "HTTPS":
		return Codes{"HttpCode", 200, 599, "200-399"}
	case version == "GRPC":
		return Codes{"GrpcCode", 0, 99, "12"}
	}
	return Codes{"HttpCode", 200, 499, "200"}
}

// Matcher is a set of codes.
type Matcher []span

type span struct{ from, to int }

// matcherLength bounds the text of a matcher: all codes from 0 to 599, one by one, are shorter.
const matcherLength = 4096

// ParseMatcher reads a matcher: codes and ranges of codes, separated by commas, as in "200,202,300-399". An error says
// what is wrong with it, for whoever wrote it.
func ParseMatcher(text string, c Codes) (Matcher, error) {
	if len(text) > matcherLength {
		return nil, fmt.Errorf("health check matcher %s is longer than %d characters", c.Name, matcherLength)
	}
	var m Matcher
	for part := range strings.SplitSeq(text, ",") {
		s, err := parseSpan(part, c)
		if err != nil {
			return nil, fmt.Errorf("health check matcher %s '%s' is not valid: %w", c.Name, text, err)
		}
		m = append(m, s)
	}
	return m, nil
}

func parseSpan(text string, c Codes) (span, error) {
	first, last, isRange := strings.Cut(text, "-")
	from, err := parseCode(first, c)
	if err != nil || !isRange {
		return span{from, from}, err
	}
	to, err := parseCode(last, c)
	if err == nil && to < from {
		err = fmt.Errorf("the range '%s' ends before it begins", text)
	}
	return span{from, to}, err
}

func parseCode(text string, c Codes) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("'%s' is neither a code nor a range of codes", text)
	}
	if code := int(n); code >= c.Min && code <= c.Max {
		return code, nil
	}
	return 0, fmt.Errorf("'%s' is not within %d-%d", text, c.Min, c.Max)
}

// Match says whether a code counts as success.
func (m Matcher) Match(code int) bool {
	for _, s := range m {
		if s.from <= code && code <= s.to {
			return true
		}
	}
	return false
}

// MatcherOf is the matcher of a group, the default one if it has none. The error is that of ParseMatcher: no group that
// was made through the API has one.
func MatcherOf(g *model.TargetGroup) (Matcher, error) {
	c := CodesOf(g.Protocol, g.ProtocolVersion)
	if g.Check.Matcher == "" {
		return ParseMatcher(c.Default, c)
	}
	return ParseMatcher(g.Check.Matcher, c)
}
