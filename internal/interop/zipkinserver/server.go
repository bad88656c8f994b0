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
	"time"

	"github.com/spandrel-go/spandrel/internal/interop/process"
)

const (
	jarName = "zipkin-server-3.5.1-exec.jar"
	// startTimeout is how long a start may take; on two busy cores it is some ten seconds.
	startTimeout = 90 * time.Second
)

// ErrMissing is what [Start] fails with where Java or the server's jar is not there.
var ErrMissing = process.ErrMissing

// Server is a running Zipkin server. [Server.Stop] ends it.
type Server struct {
	url     string // without a path
	client  *http.Client
	process *process.Process
	temp    string // the server's folder for temporary files, of which it removes none when it is killed
}

// Start starts a server and waits until it is healthy, which takes seconds. The server ends with
// [Server.Stop], or with ctx. The error wraps [ErrMissing] where there is nothing to start.
func Start(ctx context.Context) (*Server, error) {
	java, jar, err := find()
	if err != nil {
		return nil, fmt.Errorf("zipkinserver: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp("", "spandrel-zipkin-")
	if err != nil {
		return nil, fmt.Errorf("zipkinserver: %w", err)
	}
	s := &Server{
		url:    fmt.Sprintf("http://127.0.0.1:%d", port),
		client: &http.Client{Transport: &http.Transport{}},
		temp:   temp,
	}
	// Variables of the user's, such as QUERY_PORT, would change the server.
	env := []string{"STORAGE_TYPE=mem", "PATH=" + os.Getenv("PATH"), "HOME=" + temp}
	s.process = process.Start(ctx, env, java,
		"-Xmx512m", "-XX:TieredStopAtLevel=1", // which starts sooner and is fast enough
		"-Djava.io.tmpdir="+temp, "-XX:-UsePerfData", // whose files are elsewhere
		"-jar", jar,
		"--armeria.ports[0].ip=127.0.0.1",
		fmt.Sprintf("--armeria.ports[0].port=%d", port),
		"--armeria.ports[0].protocols[0]=http",
	)
	if err := s.waitUntilHealthy(ctx); err != nil {
		s.Stop()
		return nil, fmt.Errorf("zipkinserver: %w\n%s", err, s.process.Output())
	}
	return s, nil
}

// Stop ends the server's process and waits until it is gone. It is idempotent.
func (s *Server) Stop() {
	s.process.Stop()
	s.client.CloseIdleConnections()
	_ = os.RemoveAll(s.temp) // nothing of it matters any more
}

// SpansURL is where to post spans in Zipkin's v2 format.
func (s *Server) SpansURL() string { return s.url + "/api/v2/spans" }

func (s *Server) waitUntilHealthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return s.process.WaitUntil(ctx, func() (bool, error) {
		status, _, err := s.get(ctx, "/health")
		return err == nil && status == http.StatusOK, nil
	})
}

// find returns the paths of Java and of the server.
func find() (java, jar string, err error) {
	if jar, err = process.Cached(jarName); err != nil {
		return "", "", err
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
