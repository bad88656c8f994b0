// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/spandrel-go/spandrel/exporters/console"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// shutdownTimeout is how long a collector that does not answer is waited for.
const shutdownTimeout = 5 * time.Second

// run is the whole program.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(out)
	zipkinURL := flags.String("zipkin", "", "also send the spans to this Zipkin v2 `url`, such as http://127.0.0.1:9411/api/v2/spans")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}

	traces, err := console.NewCollector()
	if err != nil {
		return err
	}
	shop, err := openShop(traces, *zipkinURL)
	if err != nil {
		return err
	}
	if err := shop.visit(ctx); err != nil {
		return errors.Join(err, shop.close(ctx))
	}
	// An error says what the collector did not get; so does report. The trees do not depend on it.
	_ = shop.close(ctx)

	if err := traces.Render(out); err != nil {
		return err
	}
	return shop.report(out, *zipkinURL)
}

// report prints what became of the spans of each service.
func (s *shop) report(out io.Writer, zipkinURL string) error {
	p := printer{w: out}
	p.printf("\n%-10s %8s %6s %9s %8s\n", "service", "started", "ended", "exported", "dropped")
	var accepted, made uint64
	var failure error
	for _, svc := range slices.Backward(s.services) {
		st := svc.provider.Stats()
		shown := st.Exporters[0]
		p.printf("%-10s %8d %6d %9d %8d\n", svc.name, st.Started, st.Ended, shown.Exported, shown.Dropped.Sum())
		made += st.Ended
		if zipkinURL != "" {
			accepted += st.Exporters[1].Exported
			failure = cmp.Or(st.Exporters[1].LastError, failure)
		}
	}
	switch {
	case zipkinURL == "":
	case failure != nil:
		p.printf("\n%s accepted %d of %d spans: %v\n", redacted(zipkinURL), accepted, made, failure)
	default:
		p.printf("\n%s accepted %d of %d spans\n", redacted(zipkinURL), accepted, made)
	}
	return p.err
}

// redacted returns a URL without its password.
func redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "the collector"
	}
	return u.Redacted()
}

// printer keeps the first error of several prints.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}
