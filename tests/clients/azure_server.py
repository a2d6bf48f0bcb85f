"""A workspace with TLS under names of .localhost, for the stock Azure clients."""
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

from clusters import ROOT, tarn_binary
from databases import database_options

sys.path.insert(0, os.path.join(ROOT, "tools"))
from certificates import make_certificates  # noqa: E402

ACCOUNT, VAULT, TENANT = "tarnlake", "tarnvault", "00000000-0000-0000-0000-000000000000"

_getaddrinfo = socket.getaddrinfo


def _look_up(host, *a, **k):
    """RFC 6761: names under .localhost are loopback, also where the C library does not know it."""
    return _getaddrinfo("127.0.0.1" if isinstance(host, str) and host.endswith(".localhost") else host, *a, **k)


socket.getaddrinfo = _look_up


class AzureServer:
    """Principals: owner (an admin), reader (may read blobs, get and list secrets), nobody (no rights)."""

    def __init__(self, home, *options, env=None):
        self.home, self.env = str(home), {**os.environ, **(env or {})}
        os.makedirs(self.home, exist_ok=True)
        self.ca = make_certificates(self.home).ca
        self.start(*options)
        self.owner, self.reader, self.nobody = (self.service_principal(n) for n in ("owner", "reader", "nobody"))
        admins = next(g for g in self.api("GET", "/api/2.0/preview/scim/v2/Groups")["Resources"] if g["displayName"] == "admins")
        self.api("PATCH", f"/api/2.0/preview/scim/v2/Groups/{admins['id']}", {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "add", "value": {"members": [{"value": self.owner["scim_id"]}]}}]})
        self.api("PATCH", f"/api/2.0/permissions/storage-accounts/{ACCOUNT}",
                 {"access_control_list": [{"service_principal_name": self.reader["id"], "permission_level": "CAN_READ"}]})
        self.set_policy("add", self.reader["id"], ["get", "list"])

    def start(self, *options):
        self.log = open(os.path.join(self.home, "stderr.log"), "ab")
        self.process = subprocess.Popen(
            [tarn_binary(), "server", "--listen", "127.0.0.1:0", "--home", self.home, "--tls-cert", f"{self.home}/cert.pem", "--tls-key", f"{self.home}/key.pem",
             *database_options(self.home), *options],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env=self.env)
        line = self.process.stdout.readline().strip()
        assert line.startswith("tarn server ready https"), f"said {line!r}: {open(self.log.name).read()[-500:]}"
        self.port = int(line.rsplit(":", 1)[1])
        self.url = self.authority = f"https://localhost:{self.port}"
        self.dfs, self.blob = f"https://{ACCOUNT}.dfs.localhost:{self.port}", f"https://{ACCOUNT}.blob.localhost:{self.port}"
        self.vault = f"https://{VAULT}.vault.localhost:{self.port}"
        self.token = open(os.path.join(self.home, "admin-token")).read().strip()
        self.key = json.load(open(os.path.join(self.home, "storage-account.json")))["key1"]
        # A client of its own: none of what the tests patch.
        self.options = {"connection_verify": self.ca, "retry_total": 0, "connection_timeout": 10, "read_timeout": 60}

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(60)
        self.process.stdout.close()
        self.log.close()

    def http(self, method, url, headers=None, body=None):
        """Status, headers, body of a raw call."""
        request = urllib.request.Request(url, method=method, data=body, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=30, context=ssl.create_default_context(cafile=self.ca)) as r:
                return r.status, r.headers, r.read()
        except urllib.error.HTTPError as e:
            return e.code, e.headers, e.read()

    def api(self, method, path, body=None):
        status, _, text = self.http(method, self.url + path, {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
                                    None if body is None else json.dumps(body).encode())
        assert status < 300, (status, text)
        return json.loads(text) if text else None

    def service_principal(self, name):
        made = self.api("POST", "/api/2.0/preview/scim/v2/ServicePrincipals", {"displayName": name})
        secret = self.api("POST", f"/api/2.0/accounts/servicePrincipals/{made['id']}/credentials/secrets", {})
        return {"id": made["applicationId"], "secret": secret["secret"], "scim_id": made["id"]}

    def set_policy(self, operation, object_id, permissions):
        return self.api("PUT", f"/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/{VAULT}/accessPolicies/{operation}",
                        {"properties": {"accessPolicies": [{"tenantId": TENANT, "objectId": object_id, "permissions": {"secrets": permissions}}]}})

    def credential(self, who):
        from azure.identity import ClientSecretCredential
        return ClientSecretCredential(TENANT, who["id"], who["secret"], authority=self.authority, disable_instance_discovery=True,
                                      connection_verify=self.ca, retry_total=0)

    @property
    def shared_key(self):
        return {"account_name": ACCOUNT, "account_key": self.key}

    def lake(self, credential=None, **kw):
        from azure.storage.filedatalake import DataLakeServiceClient
        return DataLakeServiceClient(self.dfs, credential=credential or self.shared_key, **{**self.options, **kw})

    def blobs(self, credential=None, **kw):
        from azure.storage.blob import BlobServiceClient
        return BlobServiceClient(self.blob, credential=credential or self.shared_key, **{**self.options, **kw})

    def secrets(self, who=None, **kw):
        from azure.keyvault.secrets import SecretClient
        return SecretClient(self.vault, self.credential(who or self.owner), **{**self.options, **kw})
