package keep

import (
	"errors"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
)

// A key is the identity of a metric or of a series in bytes: the parts, each ended by 0x00 0x01, a zero byte in a part being
// 0x00 0xFF. So keys order as their parts do, and the key of a metric is a prefix of those of its series.
const partEnd = "\x00\x01"

func appendPart(dst []byte, part string) []byte {
	for {
		i := strings.IndexByte(part, 0)
		if i < 0 {
			return append(append(dst, part...), partEnd...)
		}
		dst = append(append(dst, part[:i]...), 0, 0xff)
		part = part[i+1:]
	}
}

// appendMetric writes the key of a metric: region, namespace, name, dimensions and an empty part, which ends them. A
// dimension has a name, so its part is not empty.
func appendMetric(dst []byte, region string, m *model.Metric) []byte {
	dst = appendPart(appendPart(appendPart(dst, region), m.Namespace), m.Name)
	dims := m.Dimensions
	if !slices.IsSortedFunc(dims, byName) {
		dims = slices.SortedFunc(slices.Values(dims), byName)
	}
	for i := range dims {
		dst = appendPart(append(dst, '='), dims[i].Name)
		dst = appendPart(dst, dims[i].Value)
	}
	return append(dst, partEnd...)
}

func byName(a, b model.Dimension) int { return strings.Compare(a.Name, b.Name) }

func seriesKey(s *metrics.Series) []byte {
	return appendPart(appendMetric(nil, s.Region, &s.Metric), s.Unit)
}

var errKey = errors.New("the key of a series is damaged")

func cutPart(key string) (part, rest string, err error) {
	for from := 0; ; {
		i := strings.IndexByte(key[from:], 0)
		if i < 0 || from+i+1 >= len(key) {
			return "", "", errKey
		}
		i += from
		switch key[i+1] {
		case 1:
			return strings.ReplaceAll(key[:i], "\x00\xff", "\x00"), key[i+2:], nil
		case 0xff:
			from = i + 2
		default:
			return "", "", errKey
		}
	}
}

// parseSeries is the reverse of seriesKey. metric is how long the part of the key is that is the metric's.
func parseSeries(key string) (s metrics.Series, metric int, err error) {
	rest := key
	for _, to := range []*string{&s.Region, &s.Namespace, &s.Name} {
		if *to, rest, err = cutPart(rest); err != nil {
			return s, 0, err
		}
	}
	for {
		var part string
		if part, rest, err = cutPart(rest); err != nil {
			return s, 0, err
		}
		if part == "" {
			break
		}
		var d model.Dimension
		d.Name = part[1:]
		if d.Value, rest, err = cutPart(rest); err != nil || part[0] != '=' {
			return s, 0, errKey
		}
		s.Dimensions = append(s.Dimensions, d)
	}
	metric = len(key) - len(rest)
	s.Unit, rest, err = cutPart(rest)
	if err != nil || rest != "" {
		return s, 0, errKey
	}
	return s, metric, nil
}

// behind is the smallest key that is greater than all that begin with key, which ends with the end of a part.
func behind(key []byte) []byte {
	key = slices.Clone(key)
	key[len(key)-1]++
	return key
}
