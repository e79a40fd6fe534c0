package storetest

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// Fill gives a record of a table with every field filled at random: times in UTC to the nanosecond, text of all sorts,
// lists and maps nil or with something in them, numbers of any size and sign.
func Fill(r *rand.Rand, k model.Kind) model.Record {
	record := model.New(k)
	fill(r, reflect.ValueOf(record).Elem(), 3)
	return record
}

func fill(r *rand.Rand, v reflect.Value, depth int) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		if r.IntN(4) > 0 {
			v.Set(reflect.ValueOf(time.Unix(r.Int64N(1<<33), r.Int64N(1e9)).UTC()))
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(r, field, depth)
		}
	case reflect.String:
		v.SetString(text(r))
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(r.Uint64()) >> r.IntN(64))
	case reflect.Float64:
		v.SetFloat(float64(r.Int64()) / 1024)
	case reflect.Uint8:
		v.SetUint(uint64(r.IntN(256)))
	case reflect.Pointer:
		if depth > 0 && r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem(), depth-1)
		}
	case reflect.Slice:
		if n := r.IntN(4); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(r, v.Index(i), depth)
			}
		}
	case reflect.Map:
		fillMap(r, v, depth)
	default:
		panic(fmt.Sprintf("storetest: records have a field of a new sort: %s", v.Type()))
	}
}

func fillMap(r *rand.Rand, v reflect.Value, depth int) {
	n := r.IntN(3)
	if n == 0 {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for range n {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(r, key, depth)
		fill(r, value, depth)
		v.SetMapIndex(key, value)
	}
}

// text is valid UTF-8, with what often goes wrong.
func text(r *rand.Rand) string {
	runes := []rune("abcXYZ019-_.:/ \"\\<>&\t\n\x00\u2028é漢😀")
	s := make([]rune, r.IntN(12))
	for i := range s {
		s[i] = runes[r.IntN(len(runes))]
	}
	return string(s)
}
