#!/usr/bin/env bash
# All figures of the README: TPC-H at scale 1 and 10, then latency, start, memory, ingestion and download, the workspace's HTTP, its storage account.
#   run.sh TARN    SCALES="1 10" PEERS=duckdb,sail RUNS=5; add spark to PEERS with SPARK_PYTHON naming a Python that has pyspark[connect]
# All scales run even if an answer differs; the status is then 1.
set -euo pipefail
cd "$(dirname "$0")/.."
tarn=$1 status=0
.venv/bin/python -m pip install -q --disable-pip-version-check -r bench/requirements.txt
for scale in ${SCALES:-1 10}; do
  .venv/bin/python bench/tpch.py --tarn "$tarn" --scale "$scale" --runs "${RUNS:-5}" --peers "${PEERS:-duckdb,sail}" --out "bench/results/tpch-$scale.md" || status=1
done
.venv/bin/python bench/micro.py --tarn "$tarn" --out bench/results/micro.md
.venv/bin/python bench/rest.py --tarn "$tarn" --out bench/results/rest.md
.venv/bin/python bench/storage_account.py --tarn "$tarn" --out bench/results/storage_account.md
exit $status
