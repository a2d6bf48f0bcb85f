"""The workspace's own key vault with the stock client, and secret scopes backed by a vault."""
import base64
import json
import os

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure_server import VAULT, AzureServer


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = AzureServer(tmp_path_factory.mktemp("vault"))
    yield s
    s.stop()


@pytest.fixture(scope="module")
def vault(server):
    return server.secrets()   # with the client's own check of the challenge


def refused(call):
    with pytest.raises(HttpResponseError) as e:
        call()
    return e.value.status_code, e.value.error.code


def test_a_secret_has_versions(server, vault):
    first = vault.set_secret("versions", "one", content_type="text/plain", tags={"a": "b"})
    second = vault.set_secret("versions", "zwei ✓")
    assert vault.get_secret("VERSIONS").value == "zwei ✓"
    old = vault.get_secret("versions", first.properties.version)
    assert (old.value, old.properties.content_type, old.properties.tags) == ("one", "text/plain", {"a": "b"})
    assert {p.version for p in vault.list_properties_of_secret_versions("versions")} == {first.properties.version, second.properties.version}
    assert second.id == f"{server.vault}/secrets/versions/{second.properties.version}"
    assert refused(lambda: vault.get_secret("versions", "0" * 32)) == (404, "SecretNotFound")


def test_a_value_may_be_json_with_many_brackets(vault):
    value = "[" + "{}," * 2000 + "[[" * 300
    vault.set_secret("brackets", value)
    assert vault.get_secret("brackets").value == value


def test_lists_come_in_pages_without_values(vault):
    for i in range(30):
        vault.set_secret(f"page-{i:02}", f"hidden-{i}")
    names = [p.name for p in vault.list_properties_of_secrets(max_page_size=7)]
    assert names == sorted(names) and sum(n.startswith("page-") for n in names) == 30


def test_a_deleted_secret_comes_back_or_is_purged(vault):
    vault.set_secret("gone", "value")
    deleted = vault.begin_delete_secret("gone").result()
    assert (deleted.scheduled_purge_date - deleted.deleted_date).days == 90
    assert refused(lambda: vault.get_secret("gone")) == (404, "SecretNotFound")
    assert refused(lambda: vault.set_secret("gone", "other")) == (409, "Conflict")
    vault.begin_recover_deleted_secret("gone").wait()
    assert vault.get_secret("gone").value == "value"
    vault.begin_delete_secret("gone").wait()
    vault.purge_deleted_secret("gone")
    with pytest.raises(ResourceNotFoundError):
        vault.get_deleted_secret("gone")
    assert vault.set_secret("gone", "new").value == "new"


def test_a_backup_restores_every_version_and_nothing_else_does(vault):
    first = vault.set_secret("backed-up", "one").properties.version
    vault.set_secret("backed-up", "two")
    backup = vault.backup_secret("backed-up")
    assert b"two" not in backup
    assert refused(lambda: vault.restore_secret_backup(backup)) == (409, "Conflict")
    vault.begin_delete_secret("backed-up").wait()
    vault.purge_deleted_secret("backed-up")
    assert refused(lambda: vault.restore_secret_backup(backup[:-1] + bytes([backup[-1] ^ 1]))) == (400, "BadParameter")
    vault.restore_secret_backup(backup)
    assert (vault.get_secret("backed-up").value, vault.get_secret("backed-up", first).value) == ("two", "one")


def test_properties_change_and_a_disabled_secret_is_not_read(vault):
    vault.set_secret("switch", "x")
    vault.update_secret_properties("switch", enabled=False, content_type="t")
    assert refused(lambda: vault.get_secret("switch")) == (403, "Forbidden")
    assert vault.update_secret_properties("switch", enabled=True).content_type == "t"
    assert vault.get_secret("switch").value == "x"


def test_access_policies_say_who_may_what(server, vault):
    vault.set_secret("policy", "x")
    reader, nobody = server.secrets(server.reader), server.secrets(server.nobody)
    assert reader.get_secret("policy").value == "x"
    assert refused(lambda: reader.set_secret("policy", "y")) == (403, "Forbidden")
    assert refused(lambda: reader.begin_delete_secret("policy")) == (403, "Forbidden")
    assert refused(lambda: nobody.get_secret("policy")) == (403, "Forbidden")
    assert refused(lambda: list(nobody.list_properties_of_secrets())) == (403, "Forbidden")
    server.set_policy("add", server.nobody["id"], ["Set"])
    nobody.set_secret("policy", "z")
    assert refused(lambda: nobody.get_secret("policy")) == (403, "Forbidden")
    server.set_policy("remove", server.nobody["id"], ["set"])
    assert refused(lambda: nobody.set_secret("policy", "y")) == (403, "Forbidden")


def test_a_stranger_learns_nothing(server):
    for path in ("/secrets", "/secrets/policy", "/secrets/policy/versions", "/deletedsecrets", "/secrets/no-such"):
        status, headers, body = server.http("GET", f"{server.vault}{path}?api-version=7.4")
        assert (status, json.loads(body)["error"]["code"]) == (401, "Unauthorized")
        assert headers["WWW-Authenticate"] == f'Bearer authorization="https://localhost:{server.port}/00000000-0000-0000-0000-000000000000", resource="https://vault.localhost:{server.port}"'
    assert server.http("GET", f"{server.vault}/secrets?api-version=7.4", {"Authorization": f"Bearer {server.token}"})[0] == 401
    assert server.http("PUT", f"{server.vault}/secrets/x?api-version=7.4", {}, b"x" * 100_000)[0] in (401, 413)


def test_broken_requests_are_refused(server):
    token = server.credential(server.owner).get_token("https://vault.azure.net/.default").token

    def call(method, path, body=None):
        status, _, text = server.http(method, server.vault + path, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}, body)
        return status, json.loads(text)["error"]["code"]
    assert call("GET", "/secrets") == (400, "BadParameter")   # no api-version
    for body in (b"", b"{", b"[1]", b'{"value": 5}', b'{"value": "x", "tags": {"a": {}}}', b'{"value":"x","attributes":{"exp":"soon"}}', b"[" * 100_000):
        assert call("PUT", "/secrets/broken?api-version=7.4", body) == (400, "BadParameter"), body[:40]
    assert call("PUT", "/secrets/a%2fb?api-version=7.4", b'{"value":"x"}') == (400, "BadParameter")
    assert call("PUT", "/secrets/..%2fx?api-version=7.4", b'{"value":"x"}') == (400, "BadParameter")
    assert call("GET", "/secrets?api-version=7.4&maxresults=26") == (400, "BadParameter")
    assert call("GET", "/keys?api-version=7.4") == (404, "NotFound")
    status, _, _ = server.http("PUT", server.vault + "/secrets/big?api-version=7.4", {"Authorization": f"Bearer {token}"}, b"x" * (1 << 20))
    assert status == 413


def test_values_are_sealed_on_disk_and_every_call_is_in_the_audit_log(server, vault):
    vault.set_secret("sealed", "do-not-find-me-on-disk")
    vault.get_secret("sealed")
    for name in os.listdir(server.home):
        path = os.path.join(server.home, name)
        if os.path.isfile(path):
            assert b"do-not-find-me-on-disk" not in open(path, "rb").read(), name
    lines = [json.loads(line) for line in open(os.path.join(server.home, "logs", "audit.log"))]
    mine = [line for line in lines if line.get("on", {}).get("secret") == "sealed"]
    assert [m["on"]["operation"] for m in mine] == ["SecretSet", "SecretGet"]
    assert all(m["on"]["vault"] == VAULT for m in mine)


# ---- secret scopes that are backed by a vault ------------------------------------------------------------------------------
def make_scope(server, name, dns_name, token=None):
    status, _, text = server.http("POST", server.url + "/api/2.0/secrets/scopes/create", {"Authorization": f"Bearer {token or server.token}", "Content-Type": "application/json"}, json.dumps({
        "scope": name, "scope_backend_type": "AZURE_KEYVAULT",
        "backend_azure_keyvault": {"resource_id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v", "dns_name": dns_name}}).encode())
    return status, json.loads(text or b"{}").get("error_code")


def value_of(server, scope, key):
    return base64.b64decode(server.api("GET", f"/api/2.0/secrets/get?scope={scope}&key={key}")["value"]).decode()


def workspace_token(server, who):
    import urllib.parse
    form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": who["id"], "client_secret": who["secret"]}).encode()
    return json.loads(server.http("POST", server.url + "/oidc/v1/token", {"Content-Type": "application/x-www-form-urlencoded"}, form)[2])["access_token"]


def test_a_scope_reads_the_own_vault(server, vault):
    vault.set_secret("lake-key", "from the vault")
    assert make_scope(server, "own", server.vault + "/") == (200, None)
    assert value_of(server, "own", "lake-key") == "from the vault"
    vault.set_secret("lake-key", "changed")
    assert value_of(server, "own", "lake-key") == "changed"
    assert "lake-key" in [s["key"] for s in server.api("GET", "/api/2.0/secrets/list?scope=own")["secrets"]]
    status, _, text = server.http("POST", server.url + "/api/2.0/secrets/put", {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"},
                                  json.dumps({"scope": "own", "key": "x", "string_value": "y"}).encode())
    assert (status, json.loads(text)["error_code"]) == (400, "BAD_REQUEST")
    status, _, text = server.http("GET", server.url + "/api/2.0/secrets/get?scope=own&key=no-such", {"Authorization": f"Bearer {server.token}"})
    assert (status, json.loads(text)["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_scope_gives_nobody_rights_on_a_vault_that_he_lacks(server):
    nobody = workspace_token(server, server.nobody)
    assert make_scope(server, "stolen", server.vault, nobody) == (403, "PERMISSION_DENIED")
    assert make_scope(server, "stolen", "https://somebody.vault.azure.net/", nobody) == (403, "PERMISSION_DENIED")
    assert make_scope(server, "lent", server.vault, workspace_token(server, server.reader)) == (200, None)
    for inside in ("https://169.254.169.254/", "https://127.0.0.1:1/", "http://x.vault.azure.net/", "https://x.vault.azure.net@evil.example/", "https://x.vault.azure.net.evil.example/"):
        assert make_scope(server, "inside", inside)[0] == 400, inside


def test_a_scope_reads_a_vault_elsewhere_through_its_rest_api(server, tmp_path):
    server.secrets().set_secret("elsewhere", "over the wire")
    secret = tmp_path / "client-secret"
    secret.write_text(server.reader["secret"] + "\n")
    s = AzureServer(tmp_path / "home", "--azure-authority", server.authority, "--azure-tenant", "some-tenant", "--azure-client-id", server.reader["id"],
                    "--azure-client-secret-file", str(secret), "--allowed-hosts", f"localhost:{server.port}", env={"SSL_CERT_FILE": server.ca})
    try:
        assert make_scope(s, "far", f"https://localhost:{server.port}/") == (200, None)
        assert value_of(s, "far", "elsewhere") == "over the wire"
        names = [x["key"] for x in s.api("GET", "/api/2.0/secrets/list?scope=far")["secrets"]]
        assert "elsewhere" in names and len(names) > 25   # more than a page
        status, _, _ = s.http("GET", s.url + "/api/2.0/secrets/get?scope=far&key=no-such", {"Authorization": f"Bearer {s.token}"})
        assert status == 404
        server.set_policy("remove", server.reader["id"], ["get"])
        status, _, text = s.http("GET", s.url + "/api/2.0/secrets/get?scope=far&key=elsewhere", {"Authorization": f"Bearer {s.token}"})
        assert (status, json.loads(text)["error_code"]) == (403, "PERMISSION_DENIED")
    finally:
        server.set_policy("add", server.reader["id"], ["get"])
        s.stop()
