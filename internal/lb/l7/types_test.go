package l7_test

import (
	"iter"

	"github.com/maitred/maitred/internal/lb/l7"
	"github.com/maitred/maitred/internal/model"
)

type (
	iterRules   = iter.Seq[*model.Rule]
	iterTargets = iter.Seq[*model.Target]
)

type (
	testConfig = l7.Config
	sample     = l7.Sample
)
