package model

import "time"

// StoredSecret is a secret's value, sealed: whoever reads the store without the key learns only its name and age.
type StoredSecret struct {
	Region    string    `json:"region"`
	Name      string    `json:"name"`
	SealedBy  string    `json:"by"` // id of the key that it is sealed with
	Sealed    []byte    `json:"sealed"`
	CreatedAt time.Time `json:"created"`
	ChangedAt time.Time `json:"changed"`
}

// Key implements Record.
func (s *StoredSecret) Key() Key { return StoredSecretKey(s.Region, s.Name) }

// StoredSecretKey is the key of a secret.
func StoredSecretKey(region, name string) Key { return Key{KindSecret, region + "/" + name} }
