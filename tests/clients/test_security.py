"""What strangers, broken clients and impatient ones get."""
import base64
import io
import json
import socket
import threading
import time
import zipfile

import pytest
from test_workspace import server, stranger  # noqa: F401

# Open to everybody, and why: the health check; what clients ask before they have a token; the endpoints that give tokens out.
PUBLIC = {"get /health", "get /.well-known/databricks-config", "get /oidc/.well-known/oauth-authorization-server", "get /oidc/.well-known/openid-configuration",
          "post /oidc/v1/token", "post /login"} | {f"{m} /{{tenant}}/{rest}" for m, rest in (
              ("get", ".well-known/openid-configuration"), ("get", "v2.0/.well-known/openid-configuration"), ("post", "oauth2/token"), ("post", "oauth2/v2.0/token"))}
JSON = {"Content-Type": "application/json"}


def routes(server):  # noqa: F811
    description = json.loads(server.http("GET", "/openapi.json", server.token)[2])
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def concrete(path):
    for name, value in (("{version}", "2.0"), ("{path}", "Volumes/a/b/c/d"), ("{tenant}", "t"), ("{type}", "clusters")):
        path = path.replace(name, value)
    while "{" in path:
        path = path[:path.index("{")] + "1" + path[path.index("}") + 1:]
    return path


def test_every_route_but_the_public_ones_wants_a_token(server):  # noqa: F811
    seen = 0
    for method, path, operation in routes(server):
        public = operation.get("security") == []
        if public:
            assert f"{method} {path}" in PUBLIC, f"{method} {path} is open to everybody"
            continue
        seen += 1
        body = b"{}" if method in ("post", "put", "patch") else None
        for token in (None, "dapi" + "0" * 32, "", "x" * 10_000):
            status, headers, answer = server.http(method.upper(), concrete(path), token, body, JSON)
            assert status == 401, f"{method} {path} answers {status} to the token {token!r:.20}"
            assert headers.get("WWW-Authenticate")
        assert b"path" not in answer or b"Credential" in answer
    assert seen > 120


def test_what_admins_alone_may_is_refused_to_others(server, stranger):  # noqa: F811
    for method, path, operation in routes(server):
        if "admins only" not in operation.get("description", ""):
            continue
        status, _, answer = server.http(method.upper(), concrete(path), stranger[2], b"{}" if method != "get" else None, JSON)
        assert status == 403, f"{method} {path}: {status}"


def test_objects_of_others_are_403_or_do_not_exist(server, stranger):  # noqa: F811
    w, _, token = stranger
    admin = server.w
    admin.secrets.create_scope("sec")
    admin.workspace.mkdirs("/Users/admin@localhost/private")
    cluster = admin.clusters.create(cluster_name="sec", spark_version=admin.clusters.spark_versions().versions[0].key, num_workers=0).cluster_id
    admin.catalogs.create(name="seccat")
    policy = admin.cluster_policies.create(name="secpol", definition="{}").policy_id
    calls = [("GET", f"/api/2.1/clusters/get?cluster_id={cluster}", None), ("POST", "/api/2.1/clusters/delete", {"cluster_id": cluster}),
             ("POST", "/api/2.1/clusters/edit", {"cluster_id": cluster, "spark_version": "x"}), ("POST", "/api/2.0/libraries/install", {"cluster_id": cluster, "libraries": [{"pypi": {"package": "x"}}]}),
             ("GET", f"/api/2.0/libraries/cluster-status?cluster_id={cluster}", None), ("POST", "/api/1.2/contexts/create", {"clusterId": cluster, "language": "python"}),
             ("GET", f"/api/2.0/permissions/clusters/{cluster}", None), ("PUT", f"/api/2.0/permissions/clusters/{cluster}", {"access_control_list": []}),
             ("POST", "/api/2.0/secrets/put", {"scope": "sec", "key": "k", "string_value": "v"}), ("GET", "/api/2.0/secrets/get?scope=sec&key=k", None),
             ("POST", "/api/2.0/secrets/scopes/delete", {"scope": "sec"}), ("GET", "/api/2.0/workspace/list?path=/Users/admin@localhost", None),
             ("POST", "/api/2.0/workspace/delete", {"path": "/Users/admin@localhost/private"}), ("GET", "/api/2.1/unity-catalog/catalogs/seccat", None),
             ("DELETE", "/api/2.1/unity-catalog/catalogs/seccat", None), ("POST", "/api/2.1/unity-catalog/schemas", {"name": "s", "catalog_name": "seccat"}),
             ("POST", "/api/2.1/unity-catalog/functions", {"function_info": {"name": "f", "catalog_name": "seccat", "schema_name": "s"}}),
             ("POST", "/api/2.0/policies/clusters/delete", {"policy_id": policy}), ("POST", "/api/2.0/repos", {"url": "https://github.com/a/b", "provider": "gitHub", "path": "/Users/admin@localhost/r"})]
    for method, path, body in calls:
        status, _, answer = server.http(method, path, token, json.dumps(body).encode() if body is not None else None, JSON)
        assert status in (403, 404), f"{method} {path}: {status} {answer[:200]}"
    for path, key in (("/api/2.1/clusters/list", "clusters"), ("/api/2.1/unity-catalog/catalogs", "catalogs"), ("/api/2.0/libraries/all-cluster-statuses", "statuses"), ("/api/2.0/repos", "repos")):
        answer = json.loads(server.http("GET", path, token)[2])
        assert cluster not in json.dumps(answer) and "seccat" not in json.dumps(answer), path


TRAVERSALS = ("../etc/passwd", "a/../../../etc/passwd", "a/%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc%2fpasswd", "a/..;/b", "a\x00b", "./../x", "%c0%ae%c0%ae/x", "a/%00/b", "..\\..\\x")


def test_no_path_leads_out_of_its_root(server):  # noqa: F811
    from urllib.parse import quote

    token = server.token
    for t in TRAVERSALS:
        q = quote(t, safe="")
        for path in (f"/api/2.0/dbfs/get-status?path=/{q}", f"/api/2.0/dbfs/read?path=dbfs:/{q}", f"/api/2.0/workspace/export?path=/{q}&direct_download=true",
                     f"/api/2.0/workspace/get-status?path=/Workspace/{q}", f"/api/2.0/fs/files/Volumes/main/x/y/{q}", f"/api/2.0/fs/files/{t.encode('unicode_escape').decode()}",
                     f"/api/2.0/fs/directories/Volumes/{q}", f"/api/2.0/dbfs/list?path=/Volumes/{q}"):
            status, _, answer = server.http("GET", path.replace("\\x00", "%00"), token)
            assert 400 <= status < 500 and b"root:" not in answer, f"{path}: {status}"
        for path, body in (("/api/2.0/dbfs/put", {"path": "/" + t, "contents": "eA=="}), ("/api/2.0/dbfs/mkdirs", {"path": "/" + t}), ("/api/2.0/dbfs/move", {"source_path": "/" + t, "destination_path": "/y"}),
                           ("/api/2.0/workspace/mkdirs", {"path": "/Shared/" + t}), ("/api/2.0/repos", {"url": "https://github.com/a/b", "provider": "gitHub", "path": "/Shared/" + t})):
            if ".." in t.split("/") or "\x00" in t:
                status, _, answer = server.http("POST", path, token, json.dumps(body).encode(), JSON)
                assert 400 <= status < 500, f"{path} {t}: {status}"


def test_archives_with_names_that_leave_them_and_bombs_are_refused(server):  # noqa: F811
    def archive(name, content=b"# Databricks notebook source\n1", method=zipfile.ZIP_STORED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as z:
            z.writestr(name, content)
        return base64.b64encode(out.getvalue()).decode()

    def put(content, format):
        return server.http("POST", "/api/2.0/workspace/import", server.token, json.dumps({"path": "/Shared/zip", "format": format, "content": content, "language": "PYTHON"}).encode(), JSON)[0]

    for name in ("../evil.py", "a/../../evil.py", "/evil.py", "a\\..\\..\\evil.py", "..", "a/./../../b.py"):
        for format in ("SOURCE", "DBC"):
            status = put(archive(name), format)
            assert status in (200, 400), name   # what is no notebook in it is passed over
            assert server.http("GET", "/api/2.0/workspace/get-status?path=/evil", server.token)[0] == 404
            assert server.http("GET", "/api/2.0/workspace/get-status?path=/Shared/evil", server.token)[0] == 404
    assert put(archive("a.py", b"\0" * (300 << 20), zipfile.ZIP_DEFLATED), "SOURCE") == 400
    assert put(base64.b64encode(b"PK\x03\x04 and then nothing").decode(), "SOURCE") == 400


def raw(server, data, wait=5.0):  # noqa: F811
    """What the server says to these bytes until it closes or falls silent."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as s:
        try:
            s.sendall(data)
        except OSError:
            pass
        out = b""
        try:
            while piece := s.recv(65536):
                out += piece
        except OSError:
            pass
        return out


def test_broken_http_is_refused_and_the_next_client_is_served(server):  # noqa: F811
    auth = f"Authorization: Bearer {server.token}\r\nHost: x\r\n".encode()
    for data in (b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00\x01\x02\x03" * 100, b"GET / HTTP/1.1\r\nBad Header\r\n\r\n", b"GET /%zz HTTP/1.1\r\n" + auth + b"\r\n",
                 b"POST /api/2.0/dbfs/put HTTP/1.1\r\n" + auth + b"Content-Length: -5\r\n\r\n", b"POST /api/2.0/dbfs/put HTTP/1.1\r\n" + auth + b"Content-Length: 99999999999999999999\r\n\r\n",
                 b"POST /api/2.0/dbfs/put HTTP/1.1\r\n" + auth + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nhello\r\n", b"GET / HTTP/1.1\r\n" + b"A: " + b"b" * 200_000 + b"\r\n\r\n",
                 b"POST /api/2.0/dbfs/put HTTP/1.1\r\n" + auth + b"Content-Length: 3\r\nContent-Length: 9\r\n\r\nabc"):
        answer = raw(server, data, 3)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), (data[:60], answer[:80])
    assert server.http("GET", "/health")[0] == 200


def test_malformed_bodies_are_400_and_say_nothing_of_the_inside(server):  # noqa: F811
    bodies = (b"{", b"[]", b"nul", b'{"path": }', b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"path":' * 5000, b'{"path": {"a": 1}}', b'{"path": 1e400}', b'{"path": "\\ud800"}')
    for method, path, operation in routes(server):
        if method != "post" or "application/json" not in operation.get("requestBody", {}).get("content", {}) or "{" in path.replace("{version}", ""):
            continue
        for body in bodies[:4] + bodies[6:7]:
            status, _, answer = server.http("POST", concrete(path), server.token, body, {"Content-Type": "application/json"})
            assert 400 <= status < 500 or (status == 200 and body == b"[]"), f"{path} {body[:20]}: {status} {answer[:100]}"
            assert b"nlohmann" not in answer and b".cc" not in answer
    for body in bodies:
        status, _, answer = server.http("POST", "/api/2.0/workspace/mkdirs", server.token, body, {"Content-Type": "application/json"})
        assert status == 400, (body[:30], status)
    multipart = {"Content-Type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--x", b"--x\r\n", b"--x\r\n\r\n--x--", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--", b"--y\r\n\r\n"):
        assert server.http("POST", "/api/2.0/dbfs/put", server.token, body, multipart)[0] == 400


def test_bodies_that_are_too_large_are_refused_before_they_are_sent(server, stranger):  # noqa: F811
    for token, status in ((server.token, b"413"), ("wrong", b"401")):
        head = f"POST /api/2.0/workspace/mkdirs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: {5 << 30}\r\n\r\n".encode()
        assert raw(server, head + b"x" * 1000, 8).split(b" ", 2)[1] == status


def test_clients_that_dawdle_do_not_keep_others_waiting(server):  # noqa: F811
    slow = []
    for i in range(200):   # heads and bodies that never end
        s = socket.create_connection(("127.0.0.1", server.port))
        s.sendall(b"GET /health HTTP/1.1\r\nX: " if i % 2 else f"POST /api/2.0/workspace/mkdirs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\nContent-Length: 100\r\n\r\n{{".encode())
        slow.append(s)
    times = []
    for _ in range(50):
        start = time.time()
        assert server.http("GET", "/api/2.0/secrets/scopes/list", server.token)[0] == 200
        times.append(time.time() - start)
    assert sorted(times)[45] < 0.5
    slow[1].settimeout(20)
    assert slow[1].recv(1) == b""   # a head has 15 seconds
    for s in slow:
        s.close()


def test_the_master_key_and_tokens_are_not_in_the_environment_of_code(server):  # noqa: F811
    # What started the server is not for code on clusters: only harmless variables go on (see test_commands for tokens).
    environment = open(f"/proc/{server.process.pid}/environ", "rb").read()
    assert server.token.encode() not in environment


def test_many_at_once_are_all_answered(server):  # noqa: F811
    bad = []

    def work():
        for _ in range(50):
            if server.http("GET", "/api/2.0/clusters/list", server.token)[0] != 200:
                bad.append(1)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not bad
