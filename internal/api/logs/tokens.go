package logs

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/maitred/maitred/internal/logs"
)

// Tokens name the last result of a page, so that pages neither repeat nor leave out what was there all the time.

// sequenceToken is what clients once had to send with the next PutLogEvents; any is accepted ("PutLogEvents").
const sequenceToken = "49590302938815000000000000000000000000000000000000000000"

func newToken(v any) *string {
	text, err := json.Marshal(v)
	if err != nil {
		return nil // not reached: it is plain data
	}
	return aws.String(base64.RawURLEncoding.EncodeToString(text))
}

// readToken reads a token; ok is false if there is none.
func readToken(token string, v any) (ok bool, err error) {
	if token == "" {
		return false, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		return false, invalid("The specified nextToken is invalid.")
	}
	return true, nil
}

func newNameToken(name string) *string { return newToken(name) }

func nameToken(token *string) (name string, err error) {
	_, err = readToken(aws.ToString(token), &name)
	return name, err
}

func streamToken(token *string) (*logs.Stream, error) {
	var s logs.Stream
	if ok, err := readToken(aws.ToString(token), &s); !ok {
		return nil, err
	}
	return &s, nil
}

func placeToken(token *string) (*logs.Place, error) {
	var p logs.Place
	if ok, err := readToken(aws.ToString(token), &p); !ok {
		return nil, err
	}
	return &p, nil
}

// The tokens of GetLogEvents say in which direction they lead.
const (
	forward  = "f/"
	backward = "b/"
)

func directedToken(direction string, p logs.Place) *string {
	p.Stream = "" // there is only one
	return aws.String(direction + *newToken(p))
}

// readDirected reads a token of GetLogEvents for a stream.
func readDirected(token *string, stream string) (p *logs.Place, reverse bool, err error) {
	text := aws.ToString(token)
	if text == "" {
		return nil, false, nil
	}
	rest, ahead := strings.CutPrefix(text, forward)
	if !ahead {
		if rest, reverse = strings.CutPrefix(text, backward); !reverse || rest == "" {
			return nil, false, invalid("The specified nextToken is invalid.")
		}
	}
	if p, err = placeToken(&rest); p != nil {
		p.Stream = stream
	} else if err == nil {
		err = invalid("The specified nextToken is invalid.")
	}
	return p, reverse, err
}
