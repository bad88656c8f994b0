// SPDX-License-Identifier: Apache-2.0

package jaegerremote_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spandrel-go/spandrel/sampling"
	"github.com/spandrel-go/spandrel/sampling/jaegerremote"
)

const (
	always = `{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":1}}`
	half   = `{"probabilisticSampling":{"samplingRate":0.5}}`
)

// backend answers in memory, so that it can stand in a synctest bubble.
type backend struct {
	mu     sync.Mutex
	status int
	answer string
	asked  []time.Time
}

func (b *backend) RoundTrip(req *http.Request) (*http.Response, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, time.Now())
	switch b.answer {
	case "hang":
		<-req.Context().Done()
		return nil, req.Context().Err()
	case "panic":
		panic("at the disco")
	}
	return &http.Response{
		StatusCode: max(b.status, http.StatusOK),
		Header:     http.Header{"Location": {"http://127.0.0.1:1/"}},
		Body:       io.NopCloser(strings.NewReader(b.answer)),
		Request:    req,
	}, nil
}

func (b *backend) say(status int, answer string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status, b.answer = status, answer
}

func (b *backend) times() []time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]time.Time(nil), b.asked...)
}

// start makes a sampler in a bubble, which asks b, and returns its log. It has asked once.
func start(t *testing.T, b *backend, opts ...jaegerremote.Option) (*jaegerremote.Sampler, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s, err := jaegerremote.New("shop", append([]jaegerremote.Option{
		jaegerremote.WithHTTPClient(&http.Client{Transport: b}),
		jaegerremote.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		jaegerremote.WithInitialSampler(sampling.AlwaysOff()),
	}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	synctest.Wait()
	return s, &log
}

// nextPoll moves the clock of the bubble past the next question, which comes at most 66 s after the last.
func nextPoll() {
	time.Sleep(66 * time.Second)
	synctest.Wait()
}

func TestSpec_JaegerRemoteSampler(t *testing.T) {
	t.Parallel()
	answers := make(chan string)
	var got atomic.Pointer[http.Request]
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r)
		_, _ = io.WriteString(w, <-answers)
	}))
	defer srv.Close()
	s, err := jaegerremote.New("my shop", jaegerremote.WithEndpoint(srv.URL), jaegerremote.WithPollingInterval(time.Millisecond),
		jaegerremote.WithInitialSampler(sampling.AlwaysOff()), jaegerremote.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	assert.Equal(t, "JaegerRemoteSampler{AlwaysOffSampler}", s.Description(), "the initial sampler")
	assert.Equal(t, sampling.Drop, s.Sample(sampling.Parameters{}).Decision)

	// When a third answer is taken, the second has been taken up.
	for range 3 {
		answers <- always
	}
	assert.Equal(t, "JaegerRemoteSampler{TraceIDRatioBased{1}}", s.Description())
	result := s.Sample(sampling.Parameters{})
	assert.Equal(t, sampling.RecordAndSample, result.Decision)
	assert.Equal(t, []attribute.KeyValue{
		attribute.String("sampler.type", "probabilistic"), attribute.Float64("sampler.param", 1),
	}, result.Attributes)
	for range 3 {
		answers <- `{"strategyType":1,"rateLimitingSampling":{"maxTracesPerSecond":7}}`
	}
	assert.Equal(t, "JaegerRemoteSampler{RateLimiting{7}}", s.Description())
	close(answers)
	s.Close()
	s.Close()
	assert.Equal(t, http.MethodGet, got.Load().Method)
	assert.Equal(t, "/sampling", got.Load().URL.Path)
	assert.Equal(t, "my shop", got.Load().URL.Query().Get("service"))
	assert.Equal(t, "JaegerRemoteSampler{RateLimiting{7}}", s.Description(), "the last good strategy stays")
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, answer, want, log string }{
		{name: "rate", answer: half, want: "TraceIDRatioBased{0.5}"},
		{name: "rate of 0", answer: `{"strategyType":0,"probabilisticSampling":{}}`, want: "TraceIDRatioBased{0}"},
		{name: "type by number", answer: `{"strategyType":1,"rateLimitingSampling":{"maxTracesPerSecond":3}}`, want: "RateLimiting{3}"},
		{name: "type by name", answer: `{"strategyType":"RATE_LIMITING","rateLimitingSampling":{"maxTracesPerSecond":3}}`, want: "RateLimiting{3}"},
		{name: "no type", answer: `{"rateLimitingSampling":{"maxTracesPerSecond":2.5}}`, want: "RateLimiting{2.5}"},
		{
			name: "type decides", want: "RateLimiting{3}",
			answer: `{"strategyType":1,"probabilisticSampling":{"samplingRate":1},"rateLimitingSampling":{"maxTracesPerSecond":3}}`,
		},
		{
			name: "nulls", want: "TraceIDRatioBased{1}",
			answer: `{"strategyType":null,"probabilisticSampling":{"samplingRate":1},"rateLimitingSampling":null,"operationSampling":null}`,
		},
		{
			name: "operations come first", want: "PerOperation{operations:1,default:0.2,lowerBound:0.1}",
			answer: `{"strategyType":0,"probabilisticSampling":{"samplingRate":1},"operationSampling":{"defaultSamplingProbability":0.2,` +
				`"defaultLowerBoundTracesPerSecond":0.1,"defaultUpperBoundTracesPerSecond":9,"perOperationStrategies":[` +
				`{"operation":"a","probabilisticSampling":{"samplingRate":1}}],"new":1},"new":{}}`,
		},
		{
			name: "as Jaeger 1.76 sends operations", want: "PerOperation{operations:2,default:0.8,lowerBound:0}",
			answer: `{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.8},"operationSampling":{` +
				`"defaultSamplingProbability":0.8,"defaultLowerBoundTracesPerSecond":0,"perOperationStrategies":[` +
				`{"operation":"GET /a","probabilisticSampling":{"samplingRate":0.2}},{"operation":"never","probabilisticSampling":` +
				`{"samplingRate":0}}],"defaultUpperBoundTracesPerSecond":0}}`,
		},
		{name: "no operations", answer: `{"operationSampling":{}}`, want: "PerOperation{operations:0,default:0,lowerBound:0}"},

		{name: "empty", answer: ``, log: "unexpected end of JSON input"},
		{name: "no JSON", answer: `<html>`, log: "invalid character"},
		{name: "more than JSON", answer: always + "x", log: "invalid character"},
		{name: "nothing", answer: `{}`, log: "holds no strategy"},
		{name: "null", answer: `null`, log: "holds no strategy"},
		{name: "unknown type", answer: `{"strategyType":"foo","probabilisticSampling":{}}`, log: "strategyType is neither"},
		{name: "rate above 1", answer: `{"probabilisticSampling":{"samplingRate":1.5}}`, log: "probabilisticSampling.samplingRate: 1.5 is not in 0..1"},
		{name: "limit below 0", answer: `{"rateLimitingSampling":{"maxTracesPerSecond":-1}}`, log: "maxTracesPerSecond: -1 is not in 0..2147483647"},
		{name: "default above 1", answer: `{"operationSampling":{"defaultSamplingProbability":2}}`, log: "defaultSamplingProbability: 2 is not in 0..1"},
		{name: "bound below 0", answer: `{"operationSampling":{"defaultLowerBoundTracesPerSecond":-2}}`, log: "defaultLowerBoundTracesPerSecond: -2 is not"},
		{
			name: "operation without rate", log: "has no probabilisticSampling",
			answer: `{"operationSampling":{"perOperationStrategies":[{"operation":"a"}]}}`,
		},
		{
			name: "operation with a rate above 1", log: "-0.1 is not in 0..1",
			answer: `{"operationSampling":{"perOperationStrategies":[{"operation":"a","probabilisticSampling":{"samplingRate":-0.1}}]}}`,
		},
		{name: "too long", answer: strings.Repeat(" ", 1<<20+1-len(always)) + always, log: "longer than 1048576 bytes"},
		{name: "as long as may be", answer: strings.Repeat(" ", 1<<20-len(always)) + always, want: "TraceIDRatioBased{1}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, log := start(t, &backend{answer: tt.answer})
				if tt.want == "" {
					assert.Equal(t, "JaegerRemoteSampler{AlwaysOffSampler}", s.Description(), "what there was stays")
				} else {
					assert.Equal(t, "JaegerRemoteSampler{"+tt.want+"}", s.Description())
				}
				s.Close()
				if tt.log == "" {
					assert.Empty(t, log.String())
				} else {
					assert.Contains(t, log.String(), tt.log)
				}
			})
		})
	}
}

func TestPollsWithJitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &backend{answer: always}
		begin := time.Now()
		s, _ := start(t, b)
		time.Sleep(100 * time.Minute)
		s.Close()
		asked := b.times()
		assert.Equal(t, begin, asked[0], "at once")
		gaps := map[time.Duration]bool{}
		for i := range asked[1:] {
			gap := asked[i+1].Sub(asked[i])
			assert.GreaterOrEqual(t, gap, 54*time.Second)
			assert.LessOrEqual(t, gap, 66*time.Second)
			gaps[gap] = true
		}
		assert.Greater(t, len(gaps), 50, "the gaps differ")
		time.Sleep(time.Hour)
		assert.Len(t, b.times(), len(asked), "none after Close")
	})
}

func TestLastGoodStrategyStaysAndFailuresAreToldOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &backend{answer: always}
		s, log := start(t, b)
		for _, failure := range []struct {
			status int
			answer string
		}{{503, always}, {302, ""}, {204, ""}, {200, "{}"}, {200, "panic"}, {200, "hang"}} {
			b.say(failure.status, failure.answer)
			nextPoll()
			assert.Equal(t, "JaegerRemoteSampler{TraceIDRatioBased{1}}", s.Description())
		}
		time.Sleep(10 * time.Second) // the timeout of the one that hangs
		synctest.Wait()
		b.say(200, half)
		nextPoll()
		assert.Equal(t, "JaegerRemoteSampler{TraceIDRatioBased{0.5}}", s.Description())
		b.say(500, "")
		nextPoll()
		s.Close()
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		require.Len(t, lines, 3, log.String())
		assert.Contains(t, lines[0], `level=WARN msg="spandrel: no sampling strategy from Jaeger, the last one stays"`)
		assert.Contains(t, lines[0], "http://localhost:5778/sampling: status 503")
		assert.Contains(t, lines[1], `level=INFO msg="spandrel: sampling strategies from Jaeger again"`)
		assert.Contains(t, lines[1], "failed_for=")
		assert.Contains(t, lines[2], "status 500")
	})
}

func TestErrorsShowNoSecrets(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"panic", "{}", "hang"} {
		synctest.Test(t, func(t *testing.T) {
			s, log := start(t, &backend{answer: answer}, jaegerremote.WithEndpoint("http://me:secret@127.0.0.1:9/x?token=secret"),
				jaegerremote.WithTimeout(time.Second))
			time.Sleep(2 * time.Second)
			s.Close()
			assert.Contains(t, log.String(), "level=WARN")
			assert.NotContains(t, log.String(), "secret")
		})
	}
}

func TestCloseBreaksOffAnOpenRequest(t *testing.T) {
	t.Parallel()
	arrived := make(chan context.Context)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- r.Context()
		<-r.Context().Done()
	}))
	defer srv.Close()
	var log bytes.Buffer
	s, err := jaegerremote.New("shop", jaegerremote.WithEndpoint(srv.URL+"/"), jaegerremote.WithTimeout(time.Hour),
		jaegerremote.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	require.NoError(t, err)
	<-arrived
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(s.Close)
	}
	wg.Wait()
	assert.Empty(t, log.String(), "to be closed is no failure")
	assert.Equal(t, "JaegerRemoteSampler{TraceIDRatioBased{0.001}}", s.Description())
}

func TestOptionsRefuseOtherValues(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		service string
		option  jaegerremote.Option
		want    string
	}{
		{"service", "", jaegerremote.WithTimeout(1), "New: service is empty"},
		{"option", "s", nil, "New: opts[0] is nil"},
		{"interval", "s", jaegerremote.WithPollingInterval(0), "WithPollingInterval: 0s is not positive"},
		{"timeout", "s", jaegerremote.WithTimeout(-time.Second), "WithTimeout: -1s is not positive"},
		{"initial sampler", "s", jaegerremote.WithInitialSampler(nil), "WithInitialSampler: sampler is nil"},
		{"client", "s", jaegerremote.WithHTTPClient(nil), "WithHTTPClient: client is nil"},
		{"logger", "s", jaegerremote.WithLogger(nil), "WithLogger: logger is nil"},
		{"scheme", "s", jaegerremote.WithEndpoint("localhost:5778"), `WithEndpoint: url "localhost:5778": scheme must be http or https; want one like http://localhost:5778`},
		{"host", "s", jaegerremote.WithEndpoint("http:///sampling"), `WithEndpoint: url "http:///sampling": no host; want one like http://localhost:5778`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := jaegerremote.New(tt.service, tt.option)
			assert.Nil(t, s)
			require.EqualError(t, err, "jaegerremote: "+tt.want)
		})
	}
}

func TestEndpointWithAPathIsUsedAsItIs(t *testing.T) {
	t.Parallel()
	asked := make(chan *http.Request, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, always)
		asked <- r
	}))
	defer srv.Close()
	s, err := jaegerremote.New("shop", jaegerremote.WithEndpoint("http://me:pw@"+srv.Listener.Addr().String()+"/api/sampling?a=1"))
	require.NoError(t, err)
	defer s.Close()
	r := <-asked
	assert.Equal(t, "/api/sampling?a=1&service=shop", r.URL.RequestURI())
	user, password, ok := r.BasicAuth()
	assert.True(t, ok)
	assert.Equal(t, "me pw", user+" "+password)
}

func ExampleNew() {
	remote, err := jaegerremote.New("checkout", jaegerremote.WithEndpoint("http://127.0.0.1:5778"))
	if err != nil {
		return
	}
	defer remote.Close()
	sampler := sampling.ParentBased(remote)
	id := trace.TraceID{8: 0xff} // until the backend answers, one in a thousand is sampled
	_ = sampler.Sample(sampling.Parameters{TraceID: id}).Decision
}
