// SPDX-License-Identifier: Apache-2.0

package transport_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/spandrel-go/spandrel/internal/transport"
)

// net/http hands out an answer over HTTP/2 before it counts the connection as idle, so one in some
// connections was passed over when they were closed right behind the last request.
func TestNoConnectionOfHTTP2IsLeftOpen(t *testing.T) {
	t.Parallel()
	var open, requests atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, 2, r.ProtoMajor)
		requests.Add(1)
		w.WriteHeader(http.StatusAccepted)
	}))
	srv.EnableHTTP2 = true
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	srv.StartTLS()
	defer srv.Close()
	here, err := url.Parse(srv.URL)
	require.NoError(t, err)
	elsewhere, err := url.Parse("http://127.0.0.1:1")
	require.NoError(t, err)

	const clients = 50
	for i := range clients {
		owned := transport.NewTransport()
		owned.TLSClientConfig = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		c := transport.New(transport.Config{URL: here, Transport: owned, Timeout: time.Minute})
		defer c.Close()
		for range 2 {
			_, failure := c.Post(context.Background(), transport.Request{Body: []byte("x")})
			require.Nil(t, failure)
		}
		if i%2 == 0 {
			c.Close()
		} else {
			c.SetTarget(elsewhere, nil)
		}
	}
	assert.EqualValues(t, 2*clients, requests.Load())
	assert.Eventually(t, func() bool { return open.Load() == 0 }, 10*time.Second, time.Millisecond)
}
