package l7_test

import (
	"iter"

	"github.com/maitred/maitred/internal/model"
)

type (
	iterRules   = iter.Seq[*model.Rule]
	iterTargets = iter.Seq[*model.Target]
)
