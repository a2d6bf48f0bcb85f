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


def test_a_command_gets_the_account_and_the_vault(tmp_path):
    program = ("import socket, sys; look_up = socket.getaddrinfo\n"
               "socket.getaddrinfo = lambda host, *a, **k: look_up('127.0.0.1' if host.endswith('.localhost') else host, *a, **k)\n"   # not every machine knows names below localhost
               "from azure.identity import ClientSecretCredential as C; from azure.keyvault.secrets import SecretClient as S\n"
               "from azure.core.exceptions import HttpResponseError\n"
               "vault, authority, tenant, *who = sys.argv[1:]\n"
               "owner, reader = (S(vault, C(tenant, *w, authority=authority, disable_instance_discovery=True), verify_challenge_resource=False) for w in (who[:2], who[2:]))\n"
               "owner.set_secret('a', 'b'); print(reader.get_secret('a').value)\n"
               "try: reader.set_secret('a', 'c')\n"
               "except HttpResponseError as e: print(e.status_code)")
    done = subprocess.run([sys.executable, f"{ROOT}/tools/with_server.py", "--azure", tarn_binary(), "--", sys.executable, "-c", program, "{vault}", "{host}",
                           "{tenant}", "{client-id}", "{client-secret}", "{reader-id}", "{reader-secret}"], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["b", "403"], done.stderr
