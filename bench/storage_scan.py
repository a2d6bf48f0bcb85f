#!/usr/bin/env python3
"""Parquet on an object store: the rate of Tarn's scan beside pyarrow's, both over the same files and the same local server.

    storage_scan.py --tarn BIN [--store azurite|s3] [--megabytes 400] [--runs 5] [--out bench/results/storage_scan.md]
    storage_scan.py --tarn BIN --uri abfss://… --conf KEY=VALUE ... (an existing folder for the files; pyarrow's options come from the settings)

The stores are those of the tests (Azurite for Blob Storage, moto for S3), started here; they are slow, and on a small machine they share its
cores with the reader: the figure that counts is the quotient. Writes uncompressed Parquet in 8 files, reads three columns of all of them
for their greatest values, in turns; takes the median. Measure with a release build on a quiet machine.
"""
import argparse
import os
import statistics
import sys
import tempfile
import time
import warnings
from urllib.parse import urlparse

warnings.filterwarnings("ignore")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.join(ROOT, "examples", "workshop")]
FILES, ROW_BYTES = 8, 56


def make_files(directory: str, megabytes: int) -> int:
    """Parquet files of about that size together; the number of rows."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = megabytes * (1 << 20) // ROW_BYTES // FILES
    for i in range(FILES):
        r = np.random.default_rng(i)
        columns = {f"c{k}": r.integers(0, 1 << 40, rows) for k in range(7)}
        pq.write_table(pa.table(columns), f"{directory}/part-{i}.parquet", compression="none", use_dictionary=False, row_group_size=500_000)
    return rows * FILES


def file_system(store):
    """pyarrow's, from the settings of Spark."""
    from pyarrow import fs
    from store import AzureStore

    if isinstance(store, AzureStore):
        named = {}
        for side, endpoint in store.endpoints.items():
            if endpoint := endpoint or store.endpoints["blob"] or store.endpoints["dfs"]:
                named |= {f"{side}_storage_authority": urlparse(endpoint).netloc, f"{side}_storage_scheme": urlparse(endpoint).scheme}
        return fs.AzureFileSystem(store.account, account_key=store.key, **named), store.container
    return fs.S3FileSystem(access_key=store.key, secret_key=store.secret, region=store.region, endpoint_override=store.endpoint), store.bucket


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tarn", required=True)
    p.add_argument("--store", choices=("azurite", "s3"), default="azurite")
    p.add_argument("--uri")
    p.add_argument("--conf", action="append", default=[])
    p.add_argument("--megabytes", type=int, default=400)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--out")
    a = p.parse_args()
    os.environ["TARN_BIN"] = os.path.abspath(a.tarn)
    import pyarrow.dataset as ds
    import stores
    from clusters import Cluster
    from store import store_of

    with tempfile.TemporaryDirectory() as work:
        server = None
        if a.uri:
            uri, conf = a.uri, dict(c.split("=", 1) for c in a.conf)
        elif a.store == "azurite":
            server = stores.Azurite(work, stores.azurite_program() or sys.exit("no Azurite: npm ci --prefix tests/azurite"))
            server.make_container("bench")
            uri, conf = f"wasbs://bench@{server.account}.blob.core.windows.net/scan", server.conf()
        else:
            server = stores.S3(work)
            uri, conf = f"s3a://{stores.BUCKET}/scan", server.conf()
        store = store_of(uri, conf)
        os.makedirs(f"{work}/files")
        rows = make_files(f"{work}/files", a.megabytes)
        store.upload(f"{work}/files", uri)
        try:
            other, container = file_system(store)

            def tarn(spark):
                return tuple(spark.read.parquet(uri).selectExpr("max(c0)", "max(c1)", "max(c2)").first())

            def pyarrow(_):
                import pyarrow.compute as pc

                greatest = [0, 0, 0]
                for batch in ds.dataset(container + urlparse(uri).path, filesystem=other, format="parquet").to_batches(columns=["c0", "c1", "c2"]):
                    greatest = [max(g, pc.max(c).as_py() or 0) for g, c in zip(greatest, batch.columns)]
                return tuple(greatest)

            pyarrow(None)
            times = {"Tarn": [], "pyarrow": []}
            for i in range(a.runs):
                # A new cluster each time: one that has read the files keeps them in memory.
                cluster = Cluster(f"{work}/home{i}")
                try:
                    spark = cluster.session()
                    for key, value in conf.items():
                        spark.conf.set(key, value)
                    spark.range(10).selectExpr("sum(id)").collect()
                    answers = set()
                    for name, run in (("Tarn", tarn), ("pyarrow", pyarrow)):
                        start = time.monotonic()
                        answers.add(run(spark))
                        times[name].append(time.monotonic() - start)
                    if len(answers) != 1:
                        raise AssertionError(f"the readers differ: {answers}")
                finally:
                    cluster.stop()
        finally:
            if server:
                server.stop()
    size = rows * 3 * 8 / (1 << 20)
    lines = [f"Scan of {size:.0f} MB (3 of 7 columns, {rows:,} rows, {FILES} files) on {'a store at ' + uri if a.uri else a.store}, {a.runs} runs, {os.cpu_count()} cores", "",
             "| reader | median s | MB/s |", "|---|---|---|"]
    medians = {n: statistics.median(t) for n, t in times.items()}
    lines += [f"| {n} | {m:.2f} | {size / m:.0f} |" for n, m in medians.items()]
    lines += ["", f"Tarn reads at {medians['pyarrow'] / medians['Tarn']:.2f} times the rate of pyarrow."]
    print("\n".join(lines))
    if a.out:
        os.makedirs(os.path.dirname(a.out) or ".", exist_ok=True)
        open(a.out, "w").write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
