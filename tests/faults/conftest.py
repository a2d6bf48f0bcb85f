"""Fixtures of the fault tests: clusters that a test may kill, starve or fill."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from clusters import ROOT, Cluster, cluster, cluster_at, pytest_sessionfinish, pytest_unconfigure, spark, tarn_binary  # noqa: E402,F401


def run_python(code: str, *args: str, **options) -> subprocess.Popen:
    """The program as a file: pyspark looks for SPARK_HOME when it is run with -c."""
    with tempfile.NamedTemporaryFile("w", suffix=".py", delete=False) as f:
        f.write(code)
    return subprocess.Popen([sys.executable, f.name, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
