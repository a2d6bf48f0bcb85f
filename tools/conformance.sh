#!/usr/bin/env bash
# Tests by others: Spark's golden SQL files and PySpark's own Connect test modules against a fresh cluster.
#   conformance.sh TARN    SUITE=public|all   PYSPARK_SUITE=smoke|public|all   OUT=build/conformance
# Its status is the runners': not 0 while a case of either suite fails.
# Spark's files come from Maven (test archive of spark-sql) and PyPI (the full pyspark package, 400 MB, once); nothing of them is kept here.
set -uo pipefail
cd "$(dirname "$0")/.."
tarn=$1 out=${OUT:-build/conformance} py=.venv/bin/python
mkdir -p "$out"
version=4.2.0
jar=${MAVEN_REPO:-$HOME/.m2/repository}/org/apache/spark/spark-sql_2.13/$version/spark-sql_2.13-$version-tests.jar
[ -f "$jar" ] || mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:2.8:get -Dartifact=org.apache.spark:spark-sql_2.13:$version:jar:tests -Dtransitive=false || exit 1
echo "Spark's golden SQL files, suite ${SUITE:-public}"
$py tools/with_cluster.py "$tarn" -- $py tools/conformance/golden_sql.py --spark-src "$jar" --remote '{remote}' --suite "${SUITE:-public}" --out "$out/golden_sql.json" 2>&1 | tail -40
golden=$?
if [ ! -f "$out/pyspark.zip" ]; then
  tmp=$(mktemp -d)
  $py -m pip download -q --no-deps --no-binary pyspark -d "$tmp" "pyspark==$version" || exit 1
  tar xzf "$tmp"/pyspark-*.tar.gz -C "$tmp" --wildcards '*/python/lib/pyspark.zip' --strip-components=1 && mv "$(find "$tmp" -name pyspark.zip | head -1)" "$out/pyspark.zip"
  rm -rf "$tmp"
fi
echo "PySpark's Connect tests, suite ${PYSPARK_SUITE:-smoke}"
$py tools/with_cluster.py "$tarn" -- $py tools/conformance/pyspark_tests.py --spark-src "$out/pyspark.zip" --remote '{remote}' --suite "${PYSPARK_SUITE:-smoke}" --out "$out/pyspark_tests.json" 2>&1 | tail -40
pyspark=$?
exit $((golden ? golden : pyspark))
