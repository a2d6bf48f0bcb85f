#!/usr/bin/env bash
# The main job on both kinds of clusters of one workspace, every table compared: Apache Spark as a cluster against the embedded engine.
#   test_spark.sh TARN [local|standalone|yarn]      SPARK_PYTHON=…/bin/python: an interpreter with pyspark[connect] 4.2 (else one is made in build/spark-venv)
set -euo pipefail
cd "$(dirname "$0")/.."
tarn=$1 master=${2:-local}
command -v java >/dev/null || { echo "test-spark needs Java 17 or 21" >&2; exit 1; }
python=${SPARK_PYTHON:-}
if [ -z "$python" ]; then
  python=build/spark-venv/bin/python
  if [ ! -x "$python" ] || ! "$python" -c 'import pyspark' 2>/dev/null; then
    python3 -m venv build/spark-venv
    build/spark-venv/bin/pip install -q --disable-pip-version-check 'pyspark[connect]==4.2.0' 'pandas<3' pyarrow
  fi
fi
home=$("$python" -c "import importlib.util as u; print(u.find_spec('pyspark').submodule_search_locations[0])")
exec .venv/bin/python tools/with_server.py "$tarn" -- .venv/bin/python tests/spark/compare_kinds.py --host '{host}' --token '{token}' --home '{home}' --spark-home "$home" --master "$master"
