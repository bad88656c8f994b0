// SPDX-License-Identifier: Apache-2.0

package zipkinserver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

const (
	jarName = "zipkin-server-3.5.1-exec.jar"
	// startTimeout is how long a start may take; on two busy cores it is some ten seconds.
	startTimeout = 90 * time.Second
	// pollEvery is how long one look at the server waits for the next.
	pollEvery = 50 * time.Millisecond
)

// ErrMissing is what [Start] fails with where Java or the server's jar is not there.
var ErrMissing = errors.New("zipkinserver: run `make servers`")

// Server is a running Zipkin server. [Server.Stop] ends it.
type Server struct {
	url    string // without a path
	client *http.Client
	stop   context.CancelFunc
	done   chan struct{} // closed when the process has ended and output is complete
	output *tail
}

// Start starts a server and waits until it is healthy, which takes seconds. The server ends with
// [Server.Stop], or with ctx. The error wraps [ErrMissing] where there is nothing to start.
func Start(ctx context.Context) (*Server, error) {
	java, jar, err := find()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &Server{
		url:    fmt.Sprintf("http://127.0.0.1:%d", port),
		client: &http.Client{Transport: &http.Transport{}},
		stop:   cancel,
		done:   make(chan struct{}),
		output: &tail{},
	}
	cmd := exec.CommandContext(ctx, java,
		"-Xmx512m", "-XX:TieredStopAtLevel=1", // which starts sooner and is fast enough
		"-jar", jar,
		"--armeria.ports[0].ip=127.0.0.1",
		fmt.Sprintf("--armeria.ports[0].port=%d", port),
		"--armeria.ports[0].protocols[0]=http",
	)
	// Variables of the user's, such as QUERY_PORT, would change the server.
	cmd.Env = []string{"STORAGE_TYPE=mem", "PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir()}
	cmd.Stdout, cmd.Stderr = s.output, s.output
	cmd.WaitDelay = 5 * time.Second
	go func() {
		defer close(s.done)
		if err := run(cmd); err != nil {
			_, _ = fmt.Fprintf(s.output, "\n%v\n", err)
		}
	}()
	if err := s.waitUntilHealthy(ctx); err != nil {
		s.Stop()
		return nil, fmt.Errorf("zipkinserver: %w\n%s", err, s.output.String())
	}
	return s, nil
}

// Stop ends the server's process and waits until it is gone. It is idempotent.
func (s *Server) Stop() {
	s.stop()
	<-s.done
	s.client.CloseIdleConnections()
}

// SpansURL is where to post spans in Zipkin's v2 format.
func (s *Server) SpansURL() string { return s.url + "/api/v2/spans" }

func (s *Server) waitUntilHealthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return poll(ctx, func() (bool, error) {
		select {
		case <-s.done:
			return false, errors.New("the server ended before it was healthy")
		default:
		}
		status, _, err := s.get(ctx, "/health")
		return err == nil && status == http.StatusOK, nil
	})
}

// find returns the paths of Java and of the server.
func find() (java, jar string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", "", fmt.Errorf("%w: no cache folder: %w", ErrMissing, err)
	}
	jar = filepath.Join(cache, "spandrel-interop", jarName)
	if _, err := os.Stat(jar); err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrMissing, err)
	}
	java = "java"
	if home := os.Getenv("JAVA_HOME"); home != "" {
		java = filepath.Join(home, "bin", java)
	}
	if java, err = exec.LookPath(java); err != nil {
		return "", "", fmt.Errorf("%w, and install Java 17: %w", ErrMissing, err)
	}
	return java, jar, nil
}

// freePort returns a port that nobody listens on. It is below the range from which systems take the
// ports of outgoing connections, so that none of them takes it while the server is starting.
func freePort() (int, error) {
	var errs []error
	for range 20 {
		port := 20000 + rand.IntN(10000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("zipkinserver: no free port: %w", errors.Join(errs...))
}

// poll calls f again and again until it says yes, fails, or ctx is done.
func poll(ctx context.Context, f func() (bool, error)) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		if done, err := f(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// tail keeps the last bytes of what is written to it.
type tail struct {
	mu   sync.Mutex // guards text
	text []byte
}

const maxTailBytes = 8 << 10

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if n := len(t.text) - maxTailBytes; n > 0 {
		t.text = append(t.text[:0], t.text[n:]...)
	}
	return len(p), nil
}

// String returns what was kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
