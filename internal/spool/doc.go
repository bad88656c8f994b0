// SPDX-License-Identifier: Apache-2.0

// Package spool keeps encoded batches of spans in a bounded directory, until a backend takes them:
//
//	s, err := spool.Open(spool.Config{Dir: dir, MaxBytes: 64 << 20, Format: "zipkin/json"})
//	lost, err := s.Append(batch) // the oldest batches go when there is no room
//	e, ok := s.Take()            // the oldest batch
//	s.Ack(&e)                    // delivered; s.Return(&e) when it was not
//	err = s.Close()
//
// # What is guaranteed
//
// Each batch that Append has stored is returned by Take, of this process or of one that opens the
// directory later, with exactly its bytes, until Ack, unless a method or [Stats] has counted its spans as
// lost. It has been given to the operating system when Append returns: the end of the process in any way,
// SIGKILL too, loses none. The batch that was being appended meanwhile is there whole, or it is cut off
// when the directory is opened again, and counted.
//
// A power cut or a crash of the operating system may cost the batches of the newest three files, whose size
// is MaxBytes/16, at most 16 MiB, or that of a larger batch that stands alone in one: a file is synced when it
// is full, in a goroutine that is there while it is needed, and in Close, and the directory with it. Append
// waits only where two files are to be synced before its own. It is not synced when a file is made or deleted: one
// whose name a power cut takes away was not synced either, and one that it brings back is replayed.
//
// Acknowledgements are given to the operating system by Ack, in any order, and are not synced: a power
// cut may bring back batches that were acknowledged, as may a failure to write the mark. So delivery is
// at least once. A batch that is taken and not acknowledged before Close or a crash is there again.
//
// Damage is never returned as a batch: each is checked as a whole before it is. Behind a damaged place
// reading goes on at the next sound batch. Open reads what stands before each batch, and all of the newest
// file; Take finds the rest.
//
// The files together are never larger than MaxBytes. Memory: some hundred bytes a file, no index of
// batches, and a buffer that keeps up to 1 MiB. Few files are open: the oldest, the newest, and those that
// batches are taken of.
//
// # The directory
//
// spool.lock is empty and locked while the directory is open: by flock on Linux, macOS and the BSDs, by
// an exclusive handle on Windows. Elsewhere Open fails with [errors.ErrUnsupported]. The operating system
// frees the lock when the process ends. Other files that the directory holds, but for segment files, are
// left alone.
//
// Segment files are named <sequence>-<marker>.spool: two numbers of 16 lower-case hexadecimal digits. The
// order of the sequence numbers, which are below 2^62, is the age of the files. The marker is random; it
// is written as the 8 bytes in the order of its digits. All numbers in files are unsigned and
// little-endian; all checksums are CRC-32C (Castagnoli). A file begins with its header:
//
//	8 bytes  "spdspool"
//	2        version of the file format: 1
//	2        n, the length of the name of the encoding: 1 to 255
//	n        that name: Config.Format
//	4        checksum of all that is above
//
// Frames follow to the end of the file, one for each batch:
//
//	8 bytes  the marker
//	4        state: ff ff ff ff when the batch is acknowledged; 0, and anything else, while it is not
//	4        r, the length of the resource
//	4        d, the length of the data
//	4        n, the number of spans: 1 or more
//	4        checksum of the payload
//	4        checksum of the name of the encoding, the 8-byte position of the frame in the file, the
//	         marker, and the four numbers above: of all but the state, in one
//	4*n      payload: for each span where it ends in the data; none is less than the one before, and the
//	         last is d
//	r        payload: the resource
//	d        payload: the data
//
// A frame is no longer than 256 MiB. The one thing that is ever written over is the state. Position and
// marker make sure that bytes inside of a batch, which may come from a stranger's request, are never taken
// for a frame while a sound one is searched behind damage; this is also why the marker stands in the name:
// frames are found when the header is lost. A segment file goes when all its batches are acknowledged.
//
// # Concurrency and cost
//
// All methods are safe for concurrent use, by one lock that is held while files are read and written, but
// for Stats, which never waits for a file. Append is one write, plus a new file when the newest one is full;
// Take is two reads and copies nothing else; Ack is one write of 4 bytes. BenchmarkAppend and
// BenchmarkTake have the numbers.
package spool
