"""tools/with_server.py, as `make check-server` runs it."""
import os
import subprocess
import sys

import pytest
from conftest import ROOT, tarn_binary

PROGRAM = ("import json, sys, urllib.request as u; host, token = sys.argv[1:]; "
           "print(host, json.load(u.urlopen(u.Request(host + '/api/2.0/preview/scim/v2/Me', headers={'Authorization': 'Bearer ' + token})))['userName'])")


@pytest.mark.parametrize("options", [(), ("--tls",)])
def test_a_command_gets_a_fresh_workspace_and_its_status_is_the_answer(options, tmp_path):
    def run(*command):
        return subprocess.run([sys.executable, f"{ROOT}/tools/with_server.py", *options, "--keep-home", str(tmp_path / "home"), tarn_binary(), "--", *command],
                              capture_output=True, text=True, timeout=60)

    done = run(sys.executable, "-c", PROGRAM, "{host}", "{token}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("https://localhost:" if options else "http://127.0.0.1:") and done.stdout.endswith("admin@localhost\n")
    assert run("sh", "-c", "exit 7").returncode == 7
    assert os.path.exists(tmp_path / "home" / "admin-token")
