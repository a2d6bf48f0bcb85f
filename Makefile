# The two commands of the README are `make run` and `make test`.
.DEFAULT_GOAL := help
PRESET ?= release
PYTHON := .venv/bin/python
PREFIX ?= /usr/local
export CCACHE_SLOPPINESS := pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1

.PHONY: help setup build run test test-spark check-server unit conformance bench sql-record install package lint clean

help:
	@echo "make run          set up, build, start Tarn and run the main job, alone and in a workspace (examples/workshop)"
	@echo "make test         set up, build and run all tests"
	@echo "make test-spark   the main job on Apache Spark as a cluster of the workspace, every table compared (needs Java; downloads Spark; MASTER=standalone|yarn)"
	@echo "make check-server CHECK='command with {host} {token}'   on a fresh workspace (SERVER_OPTIONS=--tls or --azure)"
	@echo "make build        the program at build/release/bin/tarn (PRESET=dev|asan|tsan for others)"
	@echo "make conformance  Spark's golden SQL files and PySpark's Connect tests against a fresh cluster"
	@echo "make bench        the figures of the README"
	@echo "make install PREFIX=DIR, make package, make lint, make clean"

setup:
	@bash tools/setup.sh

build: setup
	@mkdir -p build && { cmake --preset $(PRESET) >build/configure-$(PRESET).log 2>&1 || { cat build/configure-$(PRESET).log; exit 1; }; }
	@cmake --build --preset $(PRESET)

run: build
	@$(PYTHON) examples/workshop/run.py --tarn build/$(PRESET)/bin/tarn
	@echo
	@$(PYTHON) examples/workshop/resources.py --tarn build/$(PRESET)/bin/tarn

test: build
	@bash tools/setup.sh --tests
	@bash tools/test.sh build/$(PRESET)

test-spark: build
	@bash tools/test_spark.sh build/$(PRESET)/bin/tarn $(MASTER)

check-server: build
	@$(PYTHON) tools/with_server.py $(SERVER_OPTIONS) build/$(PRESET)/bin/tarn -- bash -c '$(CHECK)'

conformance: build
	@bash tools/conformance.sh build/$(PRESET)/bin/tarn

bench: build
	@bash bench/run.sh build/$(PRESET)/bin/tarn

install: build
	@cmake --install build/$(PRESET) --prefix $(PREFIX)

package: build
	@bash tools/package.sh build/$(PRESET)

lint:
	@python3 tools/check_layers.py

clean:
	rm -rf build
