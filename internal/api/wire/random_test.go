package wire

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	cloudwatch "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs/document"
	ecs "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// filler fills structs with random values.
type filler struct {
	tb  testing.TB
	rnd *rand.Rand
	// present is how likely a member that may be absent is there.
	present float64
	// empties allows lists and maps that are there but empty.
	emptyLists, emptyMaps bool
	// emptyStructs allows structs without any member.
	emptyStructs bool
	// alphabet is what strings are made of.
	alphabet []rune
}

const depthFull = 12 // below it, everything that may be absent is

// seeded returns a source of randomness that is the same in every run.
func seeded(name string, round int) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return rand.New(rand.NewPCG(h.Sum64(), uint64(round)))
}

var unionChoices = map[reflect.Type][]any{
	reflect.TypeFor[ecs.DescribeGatewayConfiguration]():         {&ecs.DescribeGatewayConfigurationMemberHostSharedAlb{}},
	reflect.TypeFor[ecs.GatewayConfiguration]():                 {&ecs.GatewayConfigurationMemberHostSharedAlb{}},
	reflect.TypeFor[ecs.GatewayConnectionResources]():           {&ecs.GatewayConnectionResourcesMemberHostSharedAlb{}},
	reflect.TypeFor[ecs.GatewayElbAccessLogDestination]():       {&ecs.GatewayElbAccessLogDestinationMemberS3{}},
	reflect.TypeFor[ecs.GatewayInfrastructureResources]():       {&ecs.GatewayInfrastructureResourcesMemberHostSharedAlb{}},
	reflect.TypeFor[ecs.GatewayRouteResources]():                {&ecs.GatewayRouteResourcesMemberHostSharedAlb{}},
	reflect.TypeFor[ecs.ServiceConnectContainerConfiguration](): {&ecs.ServiceConnectContainerConfigurationMemberLogLevel{}},
	reflect.TypeFor[ecs.SharingStrategy]():                      {&ecs.SharingStrategyMemberNvidiaMps{}},
	reflect.TypeFor[ecs.UpdateGatewayConfiguration]():           {&ecs.UpdateGatewayConfigurationMemberHostSharedAlb{}},
	reflect.TypeFor[cloudwatch.EvaluationCriteria]():            {&cloudwatch.EvaluationCriteriaMemberPromQLCriteria{}},
	reflect.TypeFor[cloudwatch.EvaluationWindow](): {
		&cloudwatch.EvaluationWindowMemberSlidingWindow{}, &cloudwatch.EvaluationWindowMemberWallClockWindow{},
	},
	reflect.TypeFor[logs.IntegrationDetails](): {&logs.IntegrationDetailsMemberOpenSearchIntegrationDetails{}},
	reflect.TypeFor[logs.ResourceConfig]():     {&logs.ResourceConfigMemberOpenSearchResourceConfig{}},
}

func (f *filler) fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), depth)
	case reflect.Struct:
		f.structure(v, depth)
	case reflect.Slice:
		f.list(v, depth)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range f.length(f.emptyMaps) {
			entry := reflect.New(v.Type().Elem()).Elem()
			f.fill(entry, depth+1)
			v.SetMapIndex(reflect.ValueOf(f.text(1)).Convert(v.Type().Key()), entry)
		}
	case reflect.Interface:
		f.iface(v, depth)
	case reflect.String:
		v.SetString(f.text(1))
	case reflect.Bool:
		v.SetBool(f.rnd.IntN(2) == 0)
	case reflect.Int32:
		v.SetInt(int64(int32(f.rnd.Uint32()) >> f.rnd.IntN(32)))
	case reflect.Int64:
		v.SetInt(int64(f.rnd.Uint64()) >> f.rnd.IntN(64))
	case reflect.Float64:
		v.SetFloat(f.float())
	default:
		f.tb.Fatalf("no way to fill a %s", v.Type())
	}
}

func (f *filler) structure(v reflect.Value, depth int) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		// Fractions that a float64 holds exactly: SDK clients cut, not round.
		ms := f.rnd.Int64N(4e9)*1000 - 1e12 + f.rnd.Int64N(8)*125
		v.Set(reflect.ValueOf(time.UnixMilli(ms).UTC()))
		return
	}
	filled := 0
	var optional []reflect.Value
	for i := range v.NumField() {
		if t := v.Type().Field(i); !t.IsExported() || t.Name == "ResultMetadata" {
			continue
		}
		fv := v.Field(i)
		switch fv.Kind() {
		case reflect.Bool, reflect.Int32, reflect.Int64, reflect.Float64:
			f.fill(fv, depth+1)
			filled++
		default:
			optional = append(optional, fv)
		}
	}
	for i, fv := range optional {
		mustFill := !f.emptyStructs && filled == 0 && i == len(optional)-1
		if mustFill || (depth < depthFull && f.rnd.Float64() < f.present) {
			f.fill(fv, depth+1)
			filled++
		}
	}
}

func (f *filler) list(v reflect.Value, depth int) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		v.SetBytes([]byte(f.text(1) + "\x00\xff"))
		return
	}
	n := f.length(f.emptyLists)
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		f.fill(v.Index(i), depth+1)
	}
}

func (f *filler) length(mayBeEmpty bool) int {
	if mayBeEmpty && f.rnd.IntN(4) == 0 {
		return 0
	}
	return 1 + f.rnd.IntN(3)
}

func (f *filler) iface(v reflect.Value, depth int) {
	if v.Type() == reflect.TypeFor[document.Interface]() {
		v.Set(reflect.ValueOf(document.NewLazyDocument(f.tree(0))))
		return
	}
	choices := unionChoices[v.Type()]
	if choices == nil {
		f.tb.Fatalf("no way to fill the interface %s", v.Type())
	}
	holder := reflect.New(reflect.TypeOf(choices[f.rnd.IntN(len(choices))]).Elem())
	if value := holder.Elem().Field(0).Type(); !f.emptyStructs && value.Kind() == reflect.Struct && exportedFields(value) == 0 {
		f.iface(v, depth) // choose again: this member is a struct that has no members
		return
	}
	f.fill(holder.Elem().Field(0), depth+1)
	v.Set(holder)
}

// tree is the content of a document.
func (f *filler) tree(depth int) any {
	kinds := 6
	if depth > 3 {
		kinds = 4
	}
	switch f.rnd.IntN(kinds) {
	case 0:
		return f.text(0)
	case 1:
		return f.rnd.Int64N(1e6)
	case 2:
		return float64(f.rnd.IntN(1e6)) / 64
	case 3:
		return f.rnd.IntN(2) == 0
	case 4:
		return []any{f.tree(depth + 1), f.tree(depth + 1)}
	default:
		return map[string]any{f.text(1): f.tree(depth + 1), "fixed": f.tree(depth + 1)}
	}
}

// text is at least fewest characters long; white space is not at its ends, where
// XML readers may take it off.
func (f *filler) text(fewest int) string {
	n := fewest + f.rnd.IntN(8)
	if n == 0 {
		return ""
	}
	runes := make([]rune, n)
	for i := range runes {
		runes[i] = f.alphabet[f.rnd.IntN(len(f.alphabet))]
	}
	return "x" + string(runes) + "y"
}

func (f *filler) float() float64 {
	switch f.rnd.IntN(8) {
	case 0:
		return math.Inf(1)
	case 1:
		return math.Inf(-1)
	case 2:
		return math.NaN()
	case 3:
		return 0
	case 4:
		return math.Float64frombits(f.rnd.Uint64()&^(1<<62) | 1<<61) // small
	default:
		return f.rnd.NormFloat64() * math.Pow10(f.rnd.IntN(30)-5)
	}
}

func exportedFields(t reflect.Type) int {
	n := 0
	for f := range t.Fields() {
		if f.IsExported() {
			n++
		}
	}
	return n
}
