// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"

	"github.com/spandrel-go/spandrel/tracing"
)

func ExampleNewRedactor() {
	redactor, err := tracing.NewRedactor(
		tracing.RedactKeys("*.password", "user.name"),
		tracing.RedactURLQueryExcept("page"),
		tracing.RedactSQL(),
		tracing.RedactValues(tracing.PatternEmail),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	provider, err := tracing.NewProvider(
		tracing.WithServiceName("orders"),
		tracing.WithExporter(printer{}),
		tracing.WithProcessor(redactor), // the last processor, so that it sees what the others write
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, span := provider.NewTracer("test").StartSpan(context.Background(), "mail to ann@example.com")
	span.SetAttributes(
		attribute.String("user.name", "ann"),
		attribute.String("url.full", "https://example.com/orders?page=2&name=ann"),
		attribute.String("db.query.text", "SELECT * FROM t1 WHERE name='ann' AND n=$1"),
	)
	span.End()
	_ = provider.Shutdown(context.Background())

	_, err = tracing.NewRedactor(tracing.RedactValues("["))
	fmt.Println(err)
	// Output:
	// orders: internal mail to REDACTED user.name=REDACTED url.full=https://example.com/orders?page=2&name=REDACTED db.query.text=SELECT * FROM t1 WHERE name=? AND n=$1
	// tracing: RedactValues: pattern "[": error parsing regexp: missing closing ]: `[`
}

func ExampleRedactKeys() {
	_, err := tracing.NewRedactor(tracing.RedactKeys("http.request.header.*", "", "card.number"))
	fmt.Println(err)
	// Output: tracing: RedactKeys: glob 1 is empty
}
