// SPDX-License-Identifier: Apache-2.0

// Command w3cservice is the service that the validation suite of W3C's Trace Context specification
// (github.com/w3c/trace-context, folder test) tests: it is posted a list of calls and makes them, traced
// as any service of ours is.
//
//	go run ./w3cservice -listen 127.0.0.1:5000
//
// and in the folder of the suite, with Python 3 and aiohttp:
//
//	SPEC_LEVEL=2 STRICT_LEVEL=2 python3 test.py http://127.0.0.1:5000/test
//
// `make w3c-suite W3C_TRACE_CONTEXT=folder` does both. The service calls whatever URL it is told to: it
// is for this one use.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "w3cservice:", err)
		os.Exit(1)
	}
}

// shutdownTimeout bounds how long requests that are being answered are waited for.
const shutdownTimeout = 5 * time.Second

// run serves until ctx is done.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("w3cservice", flag.ContinueOnError)
	flags.SetOutput(out)
	address := flags.String("listen", "127.0.0.1:5000", "the `address` to listen on")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	svc, err := newService()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return errors.Join(err, svc.close(ctx))
	}
	server := &http.Server{Handler: svc, ReadHeaderTimeout: callTimeout}
	served := make(chan error, 1) // the goroutine below sends once
	go func() { served <- server.Serve(listener) }()
	_, err = fmt.Fprintf(out, "http://%s/test\n", listener.Addr())

	select {
	case serveErr := <-served:
		err = errors.Join(err, serveErr)
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	return errors.Join(err, server.Shutdown(ctx), svc.close(ctx))
}
