# Targets: build share test soak crash browser picture bench bench-proxy bench-server profile demo fmt docs help. Each works on a fresh checkout with Go.

GO      ?= go
VERSION ?=
LDFLAGS  = -s -w $(if $(VERSION),-X main.version=$(VERSION))

.PHONY: build share test soak crash browser picture bench bench-proxy bench-server profile demo fmt docs help

# What the compiler is told of where time goes: see make profile.
PROFILE = cmd/starquake/profile.pgo

build: ## bin/starquake, static
	CGO_ENABLED=0 $(GO) build -trimpath -pgo=$(PROFILE) -ldflags '$(LDFLAGS)' -o bin/starquake ./cmd/starquake

share: build ## bin/share: the manual, and what bash, zsh and fish read, of the program in /usr/bin
	mkdir -p bin/share
	bin/starquake man | gzip -9n > bin/share/starquake.1.gz
	for shell in bash fish; do \
		bin/starquake completion $$shell --code | sed 's|[^ ]*/bin/starquake|/usr/bin/starquake|' > bin/share/starquake.$$shell || exit 1; \
	done
	printf '%s\n' '#compdef starquake' 'autoload -U +X bashcompinit && bashcompinit' \
		'_bash_complete -o default -o bashdefault -C /usr/bin/starquake' > bin/share/starquake.zsh

test: ## layout, vet, and every test with the race detector; installs a C compiler for it, or says what is missing
	@GO='$(GO)' .ci/compiler
	@bad=$$(gofmt -l $$(find . -name '*.go' -not -path './.git/*')); \
	if [ -n "$$bad" ]; then printf 'not laid out by gofmt (make fmt does it):\n%s\n' "$$bad" >&2; exit 1; fi
	$(GO) vet ./...
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./...

# How many connections of each protocol are dropped.
DROPS ?= 10000

soak: ## 10 000 connections of each protocol dropped mid-byte without a leak, and h2spec through the relay of HTTP/2
	STARQUAKE_LEAKS=$(DROPS) $(GO) test -count=1 -timeout 20m -v -run '^TestLeaks$$' ./chaos/proxy
	GOBIN='$(CURDIR)/bin' $(GO) install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible
	H2SPEC='$(CURDIR)/bin/h2spec' $(GO) test -count=1 -v -run '^TestH2Spec$$' ./chaos/proxy/h2

crash: ## the program killed at every kill point of every script: some 500 times
	STARQUAKE_CRASH=all $(GO) test -count=1 -timeout 20m -v ./internal/crash

browser: ## the HTML report in a real browser; installs chromium and axe-core where they are missing
	.ci/browser

picture: build ## docs/img/report.png, of a run of the demo; needs chromium, which make browser installs
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
	bin/starquake demo -- --seed 7 --param rate=15 --param slo=2s --data "$$dir/data" --report "$$dir/report.html" && \
	$(GO) run ./internal/picture "$$dir/report.html" docs/img/report.png

bench-server: ## what the server carries: starts, parked runs, watchers, status
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 15m ./server

bench: ## every benchmark, with allocations
	$(GO) test -run '^$$' -bench . -benchmem ./...

# What is measured, in how many rounds, and how long each proxy is measured in a round.
ROWS   ?= all
ROUNDS ?= 5
SPAN   ?= 3s

bench-proxy: build ## the data plane beside other proxies; ROWS=http,tcp ROUNDS=1 SPAN=1s for a part
	@for program in nginx:nginx-light haproxy:haproxy wrk:wrk iperf3:iperf3; do \
		PATH="$$PATH:/usr/sbin" command -v "$${program%:*}" >/dev/null || missing="$$missing $${program#*:}"; \
	done; \
	[ -z "$$missing" ] || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >&2; } || \
		echo "missing, and not measured against: install the packages$$missing" >&2
	$(GO) build -o bin/benchproxy ./internal/benchproxy
	bin/benchproxy -rows '$(ROWS)' -rounds '$(ROUNDS)' -span '$(SPAN)'

profile: ## the profile that builds are optimised by, from benchmarks of plans and of the proxy; on a quiet machine
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
	$(GO) test -trimpath ./dsl/files -run '^$$' -bench ImportAndPlan -benchtime 8x -cpuprofile $$dir/files.pb -o $$dir/test && \
	$(GO) test -trimpath ./app -run '^$$' -bench '^Benchmark(LoadAnd)?Plan$$' -benchtime 2s -cpuprofile $$dir/app.pb -o $$dir/test && \
	$(GO) test -trimpath ./chaos/proxy -run '^$$' -bench 'HTTP100Faults|WebSocket|GRPC' -benchtime 2s -cpuprofile $$dir/proxy.pb -o $$dir/test && \
	$(GO) tool pprof -proto $$dir/*.pb > $(PROFILE)

demo: build ## a small shop, slow payments, a retry storm and the way back, in the terminal
	bin/starquake demo

fmt: build ## Go with gofmt, orchestrations with starquake fmt
	gofmt -w $$(find . -name '*.go' -not -path './.git/*')
	bin/starquake fmt $$(find examples -name '*.star')

docs: build ## the generated reference, and the output in the documents
	mkdir -p docs/reference
	bin/starquake builtins --output markdown > docs/reference/builtins.md.new
	mv docs/reference/builtins.md.new docs/reference/builtins.md
	bin/starquake faults --output markdown > docs/reference/faults.md.new
	mv docs/reference/faults.md.new docs/reference/faults.md
	bin/starquake schema --format markdown > docs/reference/formats.md.new
	mv docs/reference/formats.md.new docs/reference/formats.md
	bin/starquake serve --reference > docs/reference/settings.md.new
	mv docs/reference/settings.md.new docs/reference/settings.md
	bin/starquake man --format markdown > docs/reference/cli.md.new
	mv docs/reference/cli.md.new docs/reference/cli.md
	bin/starquake schema api --format markdown > docs/reference/rest.md.new
	mv docs/reference/rest.md.new docs/reference/rest.md
	$(GO) test -count=1 -run TestDocuments ./cmd/starquake -update # the output that documents show
	mkdir -p docs/schema
	for form in orchestration advanced; do \
		bin/starquake schema $$form > docs/schema/$$form.schema.json.new && \
		mv docs/schema/$$form.schema.json.new docs/schema/$$form.schema.json || exit 1; \
	done

help: ## these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1:/p' Makefile | while IFS=: read -r target does; do printf '%-13s%s\n' "$$target" "$$does"; done
