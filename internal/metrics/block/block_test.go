package block

import (
	"bytes"
	"encoding/hex"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/metrics"
)

func setOf(values ...float64) (s Set) {
	for _, v := range values {
		s.Stats.Add(metrics.One(v))
		s.Values.Add(v, 1)
	}
	return s
}

// The sizes are part of the design: they decide how much memory and disk a series takes.
func TestSize(t *testing.T) {
	t.Parallel()
	plainSet := Of(&metrics.Datum{Stats: metrics.Stats{Count: 3, Sum: 11, Min: 2, Max: 5}})
	constantSet := Of(&metrics.Datum{Stats: metrics.Stats{Count: 60, Sum: 240, Min: 4, Max: 4}})
	for name, c := range map[string]struct {
		set  Set
		want int
	}{
		"zero":      {setOf(0), 2},
		"small":     {setOf(17), 4},
		"half":      {setOf(0.5), 4},
		"any":       {setOf(math.Pi), 10},
		"constant":  {constantSet, 5},
		"plain":     {plainSet, 2 + 1 + 1 + 3 + 3},
		"of values": {setOf(2, 4, 5), 2 + 1 + 1 + 3 + 3 + 1 + 2 + 3*10 - 2},
	} {
		if got := len(Append(nil, 3, false, &c.set)); got != c.want {
			t.Errorf("%s takes %d bytes, want %d", name, got, c.want)
		}
	}
}

// V56 of the reference, and what follows for the statistics of values.
func TestCompute(t *testing.T) {
	t.Parallel()
	three, ten := setOf(2, 4, 5), setOf(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	unknown := Of(&metrics.Datum{Stats: metrics.Stats{Count: 3, Sum: 11, Min: 2, Max: 5}})
	same := Of(&metrics.Datum{Stats: metrics.Stats{Count: 3, Sum: 12, Min: 4, Max: 4}})
	negative := setOf(3, -1)
	for _, c := range []struct {
		set       *Set
		statistic string
		want      float64 // NaN: none
	}{
		{&three, "Sum", 11},
		{&three, "Minimum", 2},
		{&three, "Maximum", 5},
		{&three, "SampleCount", 3},
		{&three, "Average", 11.0 / 3},
		{&three, "p50", 4},
		{&three, "p0", 2},
		{&three, "p100", 5},
		{&ten, "p90", 9},
		{&ten, "p90.0000000001", 10},
		{&ten, "tm90", 5},
		{&ten, "TM(10%:90%)", 5.5},
		{&ten, "TM(2:4)", 3.5},
		{&ten, "TM(20:30)", math.NaN()},
		{&ten, "IQM", 5.5},
		{&ten, "wm80", (36 + 2*8) / 10.0},
		{&ten, "WM(20%:80%)", (3 + 3 + 33 + 8 + 8) / 10.0},
		{&ten, "WM(2:4)", (2 + 2 + 3 + 4 + 6*4) / 10.0},
		{&ten, "tc90", 9},
		{&ten, "TC(2:4)", 2},
		{&ten, "TC(20:30)", 0},
		{&ten, "ts90", 45},
		{&ten, "PR(:3)", 30},
		{&ten, "PR(3:)", 70},
		{&unknown, "Average", 11.0 / 3},
		{&unknown, "p50", math.NaN()},
		{&same, "p50", 4},
		{&negative, "Sum", 2},
		{&negative, "p50", math.NaN()},
		{&Set{}, "Sum", math.NaN()},
	} {
		st, err := metrics.ParseStatistic(c.statistic)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := c.set.Compute(st)
		if ok == math.IsNaN(c.want) || ok && math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s of %+v is %v, %v; want %v", c.statistic, c.set, got, ok, c.want)
		}
	}
}

// Percentiles are off by no more than 1/128, whatever is put, in however many parts, and after writing and reading.
func TestError(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) float64 {
			return math.Exp2(rapid.Float64Range(-6, 6).Draw(t, "exponent"))
		}), 1, 300).Draw(t, "values")
		var b []byte
		for rest := values; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "part")
			s := setOf(rest[:n]...)
			b, rest = Append(b, 7, false, &s), rest[n:]
		}
		var builder Builder
		if err := builder.Add(b, 0, 1); err != nil {
			t.Fatal(err)
		}
		p, rest, err := Next(builder.AppendTo(nil))
		var s Set
		if err != nil || len(rest) > 0 || p.Offset != 7 || p.AddTo(&s, true) != nil {
			t.Fatal(err, rest, p)
		}
		slices.Sort(values)
		for _, q := range []float64{0, 1, 50, 90, 99, 100} {
			want := values[max(int(math.Ceil(float64(len(values))*q/100)), 1)-1]
			if got, ok := s.Compute(metrics.Statistic{Function: metrics.Percentile, High: q, Percent: true}); !ok || math.Abs(got-want) > want/128 {
				t.Fatalf("p%v of %d values is %v, %v; want %v", q, len(values), got, ok, want)
			}
		}
	})
}

// Values all over the range are joined into fewer bins, and counts are never lost.
func TestBound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var a, b Values
		n := rapid.IntRange(1, 5000).Draw(t, "n")
		step := rapid.Float64Range(0.01, 0.3).Draw(t, "step")
		for i := range n {
			v := &a
			if i%3 == 0 {
				v = &b
			}
			v.Add(math.Exp2(float64(i)*step-300), 1)
		}
		a.Merge(&b)
		s := Set{Values: a}
		if got := s.total(); got != float64(n) || len(a.bins) > maxBins {
			t.Fatalf("%v values in %d bins, want %d", got, len(a.bins), n)
		}
		if !slices.IsSortedFunc(a.bins, func(x, y bin) int { return cmp2(x.key, y.key) }) {
			t.Fatal("the bins are not in order")
		}
	})
}

func cmp2(a, b uint64) int {
	if a < b {
		return -1
	}
	return 1 // equal keys would be an error too
}

// Merging gives the same in any order and grouping.
func TestOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var parts [][]byte
		for range rapid.IntRange(1, 20).Draw(t, "n") {
			s := setOf(rapid.SliceOfN(rapid.Map(rapid.IntRange(-1, 60), func(i int) float64 { return float64(i) }), 1, 30).Draw(t, "values")...)
			offset := rapid.IntRange(0, MaxOffset).Draw(t, "offset")
			parts = append(parts, Append(nil, offset, rapid.Bool().Draw(t, "minute"), &s))
		}
		merge := func(parts [][]byte) []byte {
			b := Builder{Split: true}
			if err := b.Add(bytes.Join(parts, nil), 0, 1); err != nil {
				t.Fatal(err)
			}
			return b.AppendTo(nil)
		}
		want := merge(parts)
		k := rapid.IntRange(0, len(parts)).Draw(t, "k")
		if got := merge([][]byte{merge(parts[:k]), merge(parts[k:])}); !bytes.Equal(got, want) {
			t.Fatalf("in two parts:\n%x\n%x", got, want)
		}
		slices.Reverse(parts)
		if got := merge(parts); !bytes.Equal(got, want) {
			t.Fatalf("the other way round:\n%x\n%x", got, want)
		}
	})
}

func TestRebase(t *testing.T) {
	t.Parallel()
	var in []byte
	for i := range 10 {
		s := setOf(float64(i))
		in = Append(in, i*30, i%2 == 0, &s)
	}
	var b Builder
	if err := b.Add(in, 600, 60); err != nil {
		t.Fatal(err)
	}
	var got []float64
	for rest := b.AppendTo(nil); len(rest) > 0; {
		p, next, err := Next(rest)
		if err != nil || p.Minute {
			t.Fatal(err, p.Minute)
		}
		got, rest = append(got, float64(p.Offset), p.Sum), next
	}
	if diff := cmp.Diff([]float64{10, 1, 11, 5, 12, 9, 13, 13, 14, 17}, got); diff != "" {
		t.Error(diff)
	}
	if err := b.Add(in, 600, 1); err == nil {
		t.Error("offsets outside of the span are taken")
	}
}

// What is computed of packed values is what is computed of them unpacked.
func TestPacked(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SampledFrom([]*rapid.Generator[float64]{
			rapid.Float64Range(0, 100), rapid.Float64Range(40, 45), rapid.Float64Range(0, 1e300),
			rapid.Map(rapid.IntRange(0, 9), func(i int) float64 { return float64(i) }),
		}).Draw(t, "kind")
		s := setOf(rapid.SliceOfN(value, 2, 200).Draw(t, "values")...)
		b := Append(nil, 7, false, &s)
		p, _, err := Next(b)
		if err != nil {
			t.Fatal(err)
		}
		name := rapid.SampledFrom([]string{"p0", "p50", "p99", "p99.9", "p100", "tm90", "PR(:50)"}).Draw(t, "statistic")
		checkPacked(t, &p, name)
	})
}

// TestPackedInPlace reads a percentile of a usual minute without unpacking it.
func TestPackedInPlace(t *testing.T) {
	t.Parallel()
	var s Set
	for i := range 60 {
		s.Stats.Add(metrics.One(40 + float64(i)))
		s.Values.Add(40+float64(i), 1)
	}
	p, _, err := Next(Append(nil, 7, false, &s))
	if err != nil {
		t.Fatal(err)
	}
	checkPacked(t, &p, "p99")
	if _, ok := s.packedPercentile(p.Packed(), 99); !ok {
		t.Error("it is unpacked")
	}
}

// fataler is what rapid and testing share.
type fataler interface{ Fatalf(string, ...any) }

func checkPacked(t fataler, p *Point, statistic string) {
	st, err := metrics.ParseStatistic(statistic)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if len(p.Packed()) == 0 {
		return
	}
	var scratch Values
	want, got := Set{Stats: p.Stats}, Set{Stats: p.Stats}
	unpacked := want.Unpack(p.Packed())
	wanted, known := want.Compute(st)
	v, ok, err := got.ComputePacked(st, p.Packed(), &scratch)
	switch {
	case (err == nil) != (unpacked == nil):
		t.Fatalf("%s of %x: got the error %v, want %v", statistic, p.Packed(), err, unpacked)
	case err == nil && (ok != known || ok && v != wanted):
		t.Fatalf("%s of %x is %v, %v, want %v, %v", statistic, p.Packed(), v, ok, wanted, known)
	}
}

func FuzzNext(f *testing.F) {
	wide := Set{}
	for i := range 100 {
		wide.Stats.Add(metrics.One(float64(i * i)))
		wide.Values.Add(float64(i*i), 1.5)
	}
	for _, s := range []Set{setOf(0), setOf(math.Pi), setOf(1, 2, 3), setOf(4, 4, 4), wide, Of(&metrics.Datum{Stats: metrics.Stats{Count: 2.5, Sum: 7, Min: 1, Max: 5}})} {
		f.Add(Append(Append(nil, 5, true, &s), 300, false, &s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for rest := in; len(rest) > 0; {
			p, next, err := Next(rest)
			if err != nil {
				break
			}
			checkPacked(t, &p, "p99")
			rest = next
		}
		b := Builder{Split: true}
		if b.Add(in, 0, 1) != nil {
			b.AppendTo(nil)
			return
		}
		// What is read can be written, and what was written is read as it was.
		once := b.AppendTo(nil)
		if err := b.Add(once, 0, 1); err != nil {
			for s := range b.sets {
				if n := b.sets[s].Sum; math.IsInf(n, 0) || math.IsInf(b.sets[s].Count, 0) {
					return // sums beyond the range of floats: values that Put does not take
				}
			}
			t.Fatalf("%v: %s", err, hex.EncodeToString(once))
		}
		if twice := b.AppendTo(nil); !bytes.Equal(once, twice) {
			t.Fatalf("%x\n%x", once, twice)
		}
	})
}
