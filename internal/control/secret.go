package control

import (
	"fmt"
	"iter"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// PutSecret stores a sealed secret, in place of what its name was for.
func PutSecret(tx *store.Tx, s *model.StoredSecret) {
	put := *s
	if before, ok := tx.View().Secret(s.Region, s.Name); ok {
		put.CreatedAt = before.CreatedAt
	}
	tx.Put(&put)
}

// DeleteSecret removes a secret.
func DeleteSecret(tx *store.Tx, region, name string) error {
	s, ok := tx.View().Secret(region, name)
	if !ok {
		return &model.Error{Code: "ResourceNotFoundException", Message: fmt.Sprintf("there is no secret %q in %s", name, region)}
	}
	tx.Delete(s.Key())
	return nil
}

// ResealSecrets puts each secret back as reseal gives it: the same value, sealed with another key. It tells how many
// there are.
func ResealSecrets(
	tx *store.Tx, all iter.Seq[*model.StoredSecret], reseal func(*model.StoredSecret) (*model.StoredSecret, error),
) (n int, err error) {
	for s := range all {
		next, err := reseal(s)
		if err != nil {
			return 0, err
		}
		again := *next
		again.CreatedAt, again.ChangedAt = s.CreatedAt, s.ChangedAt
		tx.Put(&again)
		n++
	}
	return n, nil
}
