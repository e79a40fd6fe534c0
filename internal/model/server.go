package model

import "time"

// Server is a process that serves the API and can lead, as it describes itself. Of those that share a store, each reads
// what the others were given of metrics.
type Server struct {
	ID       string    `json:"id"` // 32 hex digits, kept in its data directory
	Host     string    `json:"host"`
	Version  string    `json:"version"`
	JoinedAt time.Time `json:"joined"` // when it was started
	SeenAt   time.Time `json:"seen"`   // when it last said that it is there
	// Connected is false once it said goodbye. One that was killed still says true.
	Connected bool `json:"connected"`
	// Peer is how other servers reach it directly, nil where they cannot.
	Peer *Peer `json:"peer,omitempty"`
}

// Key implements Record.
func (s *Server) Key() Key { return ServerKey(s.ID) }

// ServerKey is the key of a server.
func ServerKey(id string) Key { return Key{KindServer, id} }
