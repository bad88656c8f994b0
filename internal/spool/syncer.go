// SPDX-License-Identifier: Apache-2.0

package spool

import (
	"os"
	"sync"
)

// maxSyncing bounds the files that wait to be synced besides the one that is.
const maxSyncing = 1

// syncer syncs finished files in a goroutine, which it has while there are any: a disk may need long for
// one, and Append is not to wait for it.
type syncer struct {
	dir string

	mu      sync.Mutex // guards all below
	idle    sync.Cond  // of mu; told when a file has been synced
	files   []*os.File // to be synced and closed, the oldest first
	running bool
	err     error // the first
}

func newSyncer(dir string) *syncer {
	s := &syncer{dir: dir}
	s.idle.L = &s.mu
	return s
}

// add hands a file over. It waits only if too many are waiting already.
func (s *syncer) add(f *os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.files) >= maxSyncing && s.running {
		s.idle.Wait()
	}
	s.files = append(s.files, f)
	if !s.running {
		s.running = true
		go s.run()
	}
}

func (s *syncer) run() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.files) > 0 {
		f := s.files[0]
		s.files = s.files[1:]
		s.mu.Unlock()
		err := f.Sync()
		_ = f.Close() // what matters has been synced
		if err == nil {
			err = syncDir(s.dir)
		}
		s.mu.Lock()
		s.note(err)
		s.idle.Broadcast()
	}
	s.running = false
	s.idle.Broadcast()
}

// note keeps the first error. Needs s.mu.
func (s *syncer) note(err error) {
	if s.err == nil {
		s.err = err
	}
}

// fail notes a file that could not be handed over.
func (s *syncer) fail(err error) {
	s.mu.Lock()
	s.note(err)
	s.mu.Unlock()
}

// wait waits until all files are synced, and returns the first error.
func (s *syncer) wait() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.running {
		s.idle.Wait()
	}
	return s.err
}
