package routing

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// The types of transforms ("RuleTransform").
const (
	hostRewrite = "host-header-rewrite"
	urlRewrite  = "url-rewrite"
)

// ErrRewrite is in every error of Rewrite: the request is answered with 500 ("Transforms for listener rules").
var ErrRewrite = errors.New("the transform of the rule failed")

// uriMax is the longest request line that targets are sent, less what is around the URI.
const uriMax = 16 << 10

// transform is a compiled transform.
type transform struct {
	kind    string
	regex   *regexp.Regexp // nil if it could not be compiled
	replace []piece
}

// piece is a part of a replacement: a text, or a group of the regular expression.
type piece struct {
	text  string
	group int // -1 for a text
}

// CheckRegex says why a regular expression of a condition or a transform cannot be used: lookarounds, backreferences,
// possessive quantifiers and classes of Unicode characters are not known ("Listener rules for your Application Load
// Balancer").
func CheckRegex(text string) error {
	_, err := compileRegex(text, false)
	return err
}

// CheckTransform says why a transform cannot be used: its type, its regular expression, or a group that its replacement
// names and the expression does not have.
func CheckTransform(t *model.Transform) error {
	_, err := compileTransform(t)
	return err
}

func compileRegex(text string, fold bool) (*regexp.Regexp, error) {
	if class := unicodeClass(text); class != "" {
		return nil, fmt.Errorf("regular expression %q: classes of Unicode characters (%s) are not supported", text, class)
	}
	if _, err := regexp.Compile(text); err != nil { // alone, so that the flag below changes no meaning and no message
		return nil, fmt.Errorf("regular expression %q: %w", text, err)
	}
	if fold {
		text = "(?i:" + text + ")"
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", text, err)
	}
	return re, nil
}

// unicodeClass finds \p or \P in an expression.
func unicodeClass(text string) string {
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if text[i+1] == 'p' || text[i+1] == 'P' {
			return text[i : i+2]
		}
		i++
	}
	return ""
}

func compileTransform(t *model.Transform) (transform, error) {
	out := transform{kind: t.Type}
	if t.Type != hostRewrite && t.Type != urlRewrite {
		return out, fmt.Errorf("transform type %q is not known", t.Type)
	}
	re, err := compileRegex(t.Regex, t.Type == hostRewrite)
	if err != nil {
		return out, err
	}
	out.replace, err = compileReplace(t.Replace, re.NumSubexp())
	if err != nil {
		return out, err
	}
	out.regex = re
	return out, nil
}

// compileReplace takes a replacement apart: $0 is all that matched, $1 to $99 are groups, of which the longest number
// counts that is one; any other $ is itself.
func compileReplace(text string, groups int) ([]piece, error) {
	var pieces []piece
	for {
		at := strings.IndexByte(text, '$')
		for at >= 0 && (at+1 == len(text) || !digit(text[at+1])) {
			next := strings.IndexByte(text[at+1:], '$')
			if next < 0 {
				at = -1
				break
			}
			at += 1 + next
		}
		if at < 0 {
			return append(pieces, piece{text, -1}), nil
		}
		n, size := int(text[at+1]-'0'), 2
		if at+2 < len(text) && digit(text[at+2]) && n*10+int(text[at+2]-'0') <= groups {
			n, size = n*10+int(text[at+2]-'0'), 3
		}
		if n > groups {
			return nil, fmt.Errorf("the replacement names group $%d; the regular expression has %d", n, groups)
		}
		pieces = append(pieces, piece{text[:at], -1}, piece{group: n})
		text = text[at+size:]
	}
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// Rewrites says that the rule has transforms.
func (r *Rule) Rewrites() bool { return len(r.compiled.transforms) > 0 }

// Rewrite applies the transforms of a rule to what a target is sent ("Transforms for listener rules"): the host, with its
// port if it has one, and the URI, which is the path and, after a question mark, the query. The first place that a
// regular expression matches is replaced; one that matches nothing changes nothing. The host name has no case and is
// compared without its port, which stays. Every error is ErrRewrite.
func Rewrite(r *Rule, host, uri string) (newHost, newURI string, err error) {
	for i := range r.compiled.transforms {
		t := &r.compiled.transforms[i]
		switch {
		case t.regex == nil:
			return "", "", fmt.Errorf("%w: %w", ErrRewrite, r.Err)
		case t.kind == hostRewrite:
			host, err = t.host(host)
		default:
			uri, err = t.uri(uri)
		}
		if err != nil {
			return "", "", err
		}
	}
	return host, uri, nil
}

func (t *transform) host(host string) (string, error) {
	name := hostname(host)
	changed, ok := t.apply(name)
	if !ok {
		return host, nil
	}
	if !validHost(hostname(changed)) {
		return "", fmt.Errorf("%w: %q is not a host name", ErrRewrite, changed)
	}
	if len(hostname(changed)) < len(changed) {
		return changed, nil // it has a port of its own
	}
	return changed + host[len(name):], nil
}

func (t *transform) uri(uri string) (string, error) {
	changed, ok := t.apply(uri)
	if !ok {
		return uri, nil
	}
	switch {
	case len(changed) > uriMax:
		return "", fmt.Errorf("%w: the URL is longer than 16 KB", ErrRewrite)
	case !strings.HasPrefix(changed, "/"):
		return "", fmt.Errorf("%w: the URL %q does not begin with a slash", ErrRewrite, changed)
	case strings.ContainsFunc(changed, func(c rune) bool { return c <= 0x20 || c == 0x7f || c == '#' }):
		return "", fmt.Errorf("%w: the URL %q has characters that cannot be sent", ErrRewrite, changed)
	}
	return changed, nil
}

// apply replaces what the regular expression matches; ok is false if it does not.
func (t *transform) apply(s string) (changed string, ok bool) {
	found := t.regex.FindStringSubmatchIndex(s)
	if found == nil {
		return s, false
	}
	var b strings.Builder
	b.WriteString(s[:found[0]])
	for _, p := range t.replace {
		if p.group < 0 {
			b.WriteString(p.text)
		} else if from := found[2*p.group]; from >= 0 {
			b.WriteString(s[from:found[2*p.group+1]])
		}
	}
	b.WriteString(s[found[1]:])
	return b.String(), true
}
