"""The notebook of the pandas API: it runs headless and its results are those of pandas."""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_the_notebook_gives_what_pandas_gives(cluster, tmp_path):
    notebook = f"{ROOT}/examples/koalas/04_Koalas_API_for_Pandas.py"
    assert open(notebook).readline() == "# Databricks notebook source\n"
    done = subprocess.run([sys.executable, notebook], capture_output=True, text=True, timeout=150,
                          env={**os.environ, "SPARK_REMOTE": cluster.remote, "KOALAS_DIR": str(tmp_path), "KOALAS_COPIES": "1"})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert "5 of 5 results equal to pandas" in done.stdout
