#!/usr/bin/env python3
"""Starts a workspace on a fresh home, runs a command with {host} and {token} replaced by its URL and the admin's token, and stops the workspace.

    with_server.py [--keep-home DIR] [--database URL] [--tls] [--azure] [--allowed-hosts HOSTS] TARN -- COMMAND...

{home}: the home; {ca}: with --tls, the certificate that clients must trust (also in REQUESTS_CA_BUNDLE, SSL_CERT_FILE and gRPC's variable).
With --azure, which is with TLS: {dfs}, {blob} and {vault}, the URLs of the workspace's own storage account and vault, {account} and {key}, and two
service principals, {client-id} {client-secret} who may do all with both, {reader-id} {reader-secret} who may read; {tenant}.
"""
import argparse
import functools
import json
import os
import ssl
import sys
import tempfile
import urllib.request

from certificates import make_certificates
from with_cluster import run_with


ACCOUNT, VAULT, TENANT = "tarnlake", "tarnvault", "00000000-0000-0000-0000-000000000000"


def azure_words(host: str, token: str, home: str, ca: str) -> dict:
    """What a check of the storage account and the vault needs: their URLs, the account's key, and two service principals."""
    def api(method, path, body):
        request = urllib.request.Request(host + path, method=method, data=json.dumps(body).encode(),
                                         headers={"Authorization": "Bearer " + token, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30, context=ssl.create_default_context(cafile=ca)) as answer:
            return json.load(answer)

    port = host.rsplit(":", 1)[1]
    words = {"{dfs}": f"https://{ACCOUNT}.dfs.localhost:{port}", "{blob}": f"https://{ACCOUNT}.blob.localhost:{port}",
             "{vault}": f"https://{VAULT}.vault.localhost:{port}", "{account}": ACCOUNT, "{tenant}": TENANT}
    with open(os.path.join(home, "storage-account.json"), encoding="utf-8") as f:
        words["{key}"] = json.load(f)["key1"]
    for who, level in (("client", "CAN_MANAGE"), ("reader", "CAN_READ")):
        made = api("POST", "/api/2.0/preview/scim/v2/ServicePrincipals", {"displayName": who})
        words["{%s-id}" % who] = made["applicationId"]
        words["{%s-secret}" % who] = api("POST", f"/api/2.0/accounts/servicePrincipals/{made['id']}/credentials/secrets", {})["secret"]
        for what in (f"storage-accounts/{ACCOUNT}", f"key-vaults/{VAULT}"):
            api("PATCH", "/api/2.0/permissions/" + what,
                {"access_control_list": [{"service_principal_name": made["applicationId"], "permission_level": level}]})
    return words


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("tarn")
    p.add_argument("--keep-home")
    p.add_argument("--database", help="PostgreSQL for the metadata; tools/with_postgres.py starts one")
    p.add_argument("--tls", action="store_true")
    p.add_argument("--azure", action="store_true")
    p.add_argument("--allowed-hosts")
    p.add_argument("command", nargs=argparse.REMAINDER)
    a = p.parse_args()
    command = a.command[1:] if a.command[:1] == ["--"] else a.command
    home = a.keep_home or tempfile.mkdtemp(prefix="tarn-home-")
    os.makedirs(home, exist_ok=True)
    arguments, environment, ca = [a.tarn, "server", "--listen", "127.0.0.1:0", "--home", home], dict(os.environ), ""
    if a.database:
        arguments += ["--database", a.database]
    if a.allowed_hosts is not None:
        arguments += ["--allowed-hosts", a.allowed_hosts]
    if a.azure:
        a.tls = True
        arguments += ["--storage-account", ACCOUNT, "--tenant", TENANT]
    if a.tls:
        ca, certificate, key = make_certificates(home)
        arguments += ["--tls-cert", certificate, "--tls-key", key]
        environment.update(REQUESTS_CA_BUNDLE=ca, SSL_CERT_FILE=ca, GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=ca)

    def command_of(host: str) -> list:
        if a.tls:
            host = host.replace("127.0.0.1", "localhost")
        with open(os.path.join(home, "admin-token"), encoding="ascii") as f:
            token = f.read().strip()
        words = {"{host}": host, "{token}": token, "{home}": home, "{ca}": ca}
        if a.azure:
            words.update(azure_words(host, token, home, ca))
        return [functools.reduce(lambda text, word: text.replace(word, words[word]), words, c) for c in command]

    return run_with("server", arguments, home, bool(a.keep_home), command_of, environment)


if __name__ == "__main__":
    sys.exit(main())
