// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"net"
	"sync"
)

// dialFunc is the type of http.Transport.DialContext.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// openConns are the network connections of a transport that are open.
type openConns struct {
	mu    sync.Mutex // guards conns
	conns map[*openConn]struct{}
}

// openConn is one of them.
type openConn struct {
	net.Conn
	among *openConns
}

// watch returns dial, so that what it makes is among o until it is closed.
func (o *openConns) watch(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c := &openConn{conn, o}
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.conns == nil {
			o.conns = make(map[*openConn]struct{})
		}
		o.conns[c] = struct{}{}
		return c, nil
	}
}

// Close closes the connection.
func (c *openConn) Close() error {
	c.among.mu.Lock()
	delete(c.among.conns, c)
	c.among.mu.Unlock()
	return c.Conn.Close()
}

// close closes all of them.
func (o *openConns) close() {
	o.mu.Lock()
	conns := o.conns
	o.conns = nil
	o.mu.Unlock()
	for c := range conns {
		_ = c.Conn.Close() // nobody needs it any more
	}
}
