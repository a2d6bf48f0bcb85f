"""The main job as `make run` runs it: against its own fresh cluster, every table held against pandas."""
import os
import subprocess
import sys

from stores import account  # noqa: F401

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(tmp_path, *options, program="run.py"):
    tarn = os.environ.get("TARN_BIN") or next(p for p in (f"{ROOT}/build/release/bin/tarn", f"{ROOT}/build/dev/bin/tarn") if os.path.exists(p))
    done = subprocess.run([sys.executable, f"{ROOT}/examples/workshop/{program}", "--tarn", tarn, "--dir", str(tmp_path / "w"), *options],
                          capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "equal to pandas 49" in done.stdout


def test_main_job(tmp_path):
    run(tmp_path)


def test_main_job_on_the_storage_account(tmp_path, account):
    account.make_container("workshop")
    run(tmp_path, "--store", f"abfss://workshop@{account.host}/day", *[o for k, v in account.conf().items() for o in ("--conf", f"{k}={v}")])


def test_main_job_in_a_workspace_made_by_the_stock_clients(tmp_path):
    run(tmp_path, program="resources.py")
