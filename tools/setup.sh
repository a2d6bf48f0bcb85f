#!/usr/bin/env bash
# Brings what the build needs: system packages, a virtual environment, prebuilt libraries, generated inputs.
#   setup.sh [--tests]     with what only the tests need: nobody gets a PostgreSQL server for running Tarn
# Idempotent: what is already there at the wanted version is left alone. Versions and checksums: cmake/deps.lock, requirements.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
deps=${TARN_DEPS:-$PWD/.deps}
venv=${TARN_VENV:-$PWD/.venv}
say() { printf '\033[1m[setup]\033[0m %s\n' "$*" >&2; }
die() { printf '[setup] %s\n' "$*" >&2; exit 1; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else die "system packages are missing and this user may not install them; run as root: $*"; fi; }

packages=$(grep -v '^#' cmake/apt-packages.txt)
[ "${1:-}" != --tests ] || packages="$packages postgresql"
command -v npm >/dev/null || packages="$packages npm"
command -v mvn >/dev/null || packages="$packages maven"
missing=""
for p in $packages; do dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"; done
if [ -n "$missing" ]; then
  say "installing system packages:$missing"
  as_root apt-get update -q >/dev/null
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null || die "apt-get could not install:$missing"
fi

want=$(cat requirements.txt requirements-no-deps.txt | sha256sum | cut -d' ' -f1)
if [ ! -f "$venv/.stamp" ] || [ "$(cat "$venv/.stamp")" != "$want" ]; then
  say "virtual environment in $venv"
  [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
  "$venv/bin/python" -m pip install -q --disable-pip-version-check -r requirements.txt || die "pip could not install requirements.txt"
  "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps -r requirements-no-deps.txt || die "pip could not install requirements-no-deps.txt"
  echo "$want" >"$venv/.stamp"
fi

root_dir=$PWD
field() { awk -v n="$1" -v c="$2" '$1==n{print $c}' "$root_dir/cmake/deps.lock"; }
check() { echo "$2  $1" | sha256sum -c --status || die "$1: checksum differs from cmake/deps.lock; delete the file and run again, or mend the lock"; }
stamp="$deps/.stamp-$(cat cmake/deps.lock tools/setup.sh tools/gen_descriptors.py requirements-no-deps.txt | sha256sum | cut -c1-16)"
if [ ! -f "$stamp" ]; then
  mkdir -p "$deps" && tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
  say "DuckDB $(field duckdb-lib 2): library"
  (cd "$tmp" && npm pack --silent "$(field duckdb-lib 3 | sed 's/^npm://')@$(field duckdb-lib 2)" >/dev/null && mv ./*.tgz lib.tgz) || die "npm could not fetch the DuckDB library"
  check "$tmp/lib.tgz" "$(field duckdb-lib 4)"
  say "DuckDB $(field duckdb-headers 2): headers"
  "$venv/bin/python" -m pip download -q --disable-pip-version-check --no-deps --no-build-isolation --no-binary duckdb "duckdb==$(field duckdb-headers 2)" -d "$tmp" >/dev/null 2>&1 ||
    "$venv/bin/python" -m pip download -q --disable-pip-version-check --no-deps --no-binary duckdb "duckdb==$(field duckdb-headers 2)" -d "$tmp" >/dev/null || die "pip could not fetch the DuckDB headers"
  check "$tmp/duckdb-$(field duckdb-headers 2).tar.gz" "$(field duckdb-headers 4)"
  rm -rf "$deps/duckdb" && mkdir -p "$deps/duckdb/lib" "$deps/duckdb/include"
  tar xzf "$tmp/lib.tgz" -C "$tmp" && cp "$tmp/package/libduckdb.so" "$tmp/package/LICENSE" "$deps/duckdb/lib/"
  root="duckdb-$(field duckdb-headers 2)/external/duckdb"
  tar xzf "$tmp/duckdb-$(field duckdb-headers 2).tar.gz" -C "$tmp" "$root/src/include" "$root/extension/parquet/include" "$root/third_party"
  cp -r "$tmp/$root/src/include/." "$deps/duckdb/include/"
  mkdir -p "$deps/duckdb/parquet" && cp -r "$tmp/$root/extension/parquet/include/." "$deps/duckdb/parquet/"
  mkdir -p "$deps/duckdb/third_party" && cp -r "$tmp/$root/third_party/." "$deps/duckdb/third_party/"
  say "DataSketches $(field datasketches 2): headers"
  "$venv/bin/python" -m pip download -q --disable-pip-version-check --no-deps --no-binary datasketches "datasketches==$(field datasketches 2)" -d "$tmp" >/dev/null || die "pip could not fetch DataSketches"
  check "$tmp/datasketches-$(field datasketches 2).tar.gz" "$(field datasketches 4)"
  rm -rf "$deps/datasketches" && mkdir -p "$deps/datasketches"
  tar xzf "$tmp/datasketches-$(field datasketches 2).tar.gz" -C "$deps/datasketches" --strip-components=1 --wildcards '*/common/include' '*/hll/include' '*/LICENSE' '*/NOTICE'
  say "Spark $(field spark-errors 2): error conditions"
  gav="$(field spark-errors 3 | sed 's/^maven://'):$(field spark-errors 2)"
  mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:2.8:get -Dartifact="$gav" -Dtransitive=false >"$tmp/mvn.log" 2>&1 || { cat "$tmp/mvn.log" >&2; die "Maven could not fetch $gav"; }
  art=$(echo "$gav" | cut -d: -f2); ver=$(field spark-errors 2)
  jar="${MAVEN_REPO:-$HOME/.m2/repository}/org/apache/spark/$art/$ver/$art-$ver.jar"
  check "$jar" "$(field spark-errors 4)"
  unzip -qo "$jar" 'error/*' -d "$deps/spark-errors"
  say "Arrow and Spark Connect descriptors"
  arrow=$("$venv/bin/python" -c 'import pyarrow, os; print(os.path.dirname(pyarrow.__file__))')
  mkdir -p "$deps/arrow/lib" && ln -sfn "$arrow/include" "$deps/arrow/include"
  for l in arrow arrow_s3 parquet arrow_compute; do
    so=$(ls "$arrow"/lib$l.so.* | head -1); ln -sfn "$so" "$deps/arrow/lib/lib$l.so"; ln -sfn "$so" "$deps/arrow/lib/$(basename "$so")"
  done
  "$venv/bin/python" tools/gen_descriptors.py "$deps/spark.fds"
  rm -f "$deps"/.stamp-* && touch "$stamp"
fi
say "ready: dependencies in $deps, Python in $venv"
