#!/usr/bin/env bash
# All tests: layering, unit tests of every room, real clients, faults, plain-text SQL. Closes with counts; status 1 if any failed.
#   test.sh BUILD_DIR
set -uo pipefail
cd "$(dirname "$0")/.."
build=$1
export TARN_BIN=$PWD/$build/bin/tarn
py=$PWD/.venv/bin/python
# A PostgreSQL for the tests of the database's door and of the workspace; it ends with us.
if [ -z "${TARN_TEST_DATABASE:-}" ]; then exec "$py" tools/with_postgres.py -- bash tools/test.sh "$1"; fi
passed=0 failed=0
say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
# Counts what pytest wrote to $xml, with its exit status in $rc.
closed() {
  read -r p f < <("$py" - "$xml" <<'P'
import sys, xml.etree.ElementTree as E
try:
    s = E.parse(sys.argv[1]).getroot().find("testsuite").attrib
    bad = int(s["failures"]) + int(s["errors"])
    print(int(s["tests"]) - bad - int(s["skipped"]), bad)
except Exception:
    print(0, 1)
P
)
  if [ $rc != 0 ] && [ "$f" = 0 ]; then f=1; fi
  count "$p" "$f"; rm -f "$xml"
}
count() { passed=$((passed + $1)); failed=$((failed + $2)); }

say "rooms include only what is below them"
if python3 tools/check_layers.py; then count 1 0; else count 0 1; fi

say "unit tests"
for t in "$build"/bin/*_test; do
  out=$(timeout 300 "$t" 2>&1); rc=$?
  line=$(grep -E '^\[doctest\] test cases:' <<<"$out" | sed 's/\x1b\[[0-9;]*m//g')
  p=$(sed -nE 's/.*\| *([0-9]+) passed.*/\1/p' <<<"$line"); f=$(sed -nE 's/.*\| *([0-9]+) failed.*/\1/p' <<<"$line")
  if [ -z "$p" ]; then p=0 f=1; fi
  if [ $rc != 0 ] && [ "$f" = 0 ]; then f=1; fi
  [ "$f" = 0 ] || printf '%s\n' "$out" | tail -60
  printf '%-28s %s passed, %s failed\n' "$(basename "$t")" "$p" "$f"; count "$p" "$f"
done

# A foreign Azure Blob store for tests/clients/test_object_stores.py.
if command -v npm >/dev/null && [ ! -x tests/azurite/node_modules/.bin/azurite-blob ]; then
  npm ci --prefix tests/azurite --silent --no-audit --no-fund >/dev/null || say "npm could not install Azurite: its tests are skipped"
fi

# One run a folder: each has a conftest.py of its own.
for folder in clients faults; do
  say "tests/$folder"
  xml=$(mktemp)
  timeout 900 "$py" -m pytest -q --maxfail=25 --timeout 180 --junitxml "$xml" "tests/$folder"; rc=$?
  closed
done

say "the workspace's metadata in PostgreSQL"
xml=$(mktemp)
TARN_TEST_ON=postgresql timeout 600 "$py" -m pytest -q --maxfail=25 --timeout 180 --junitxml "$xml" \
  tests/clients/test_workspace.py tests/clients/test_key_vault.py tests/clients/test_git.py; rc=$?
closed

say "plain-text SQL against Apache Spark's answers"
out=$(timeout 900 "$py" tools/with_cluster.py "$TARN_BIN" -- "$py" tools/sqltest.py run --expect tests/sql/known-gaps.txt --remote '{remote}' 2>&1); rc=$?
printf '%s\n' "$out" | tail -60
read -r p f < <(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed.*/\1 \2/p' <<<"$out" | tail -1)
if [ -z "${p:-}" ]; then p=0 f=1; fi
if [ $rc != 0 ] && [ "$f" = 0 ]; then f=1; fi
count "$p" "$f"

say "all tests"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
