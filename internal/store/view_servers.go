package store

import (
	"iter"

	"github.com/maitred/maitred/internal/model"
)

// Server finds a server by id.
func (v *View) Server(id string) (*model.Server, bool) { return lookup[*model.Server](v, tServer, id) }

// Servers yields all servers that share the store by id, those that are away included.
func (v *View) Servers() iter.Seq[*model.Server] { return whole[*model.Server](v, tServer) }
