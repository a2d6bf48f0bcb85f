"""The workspace's own key vault with the stock client."""
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
