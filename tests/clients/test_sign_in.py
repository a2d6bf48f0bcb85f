"""Passwords and sessions of the web page, with an HTTP client that keeps cookies as a browser does."""
import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
import requests
from clusters import ROOT, tarn_binary
from test_workspace import Server

sys.path.insert(0, os.path.join(ROOT, "tools"))
from certificates import make_certificates  # noqa: E402

PASSWORD, OTHER = "correct horse battery", "staple and a half"
SCIM = "/api/2.0/preview/scim/v2/Users"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("sign-in"))
    yield s
    assert s.stop() == 0


def api(server, method, path, body=None, token=None):
    r = requests.request(method, server.url + path, json=body, headers={"Authorization": f"Bearer {token or server.token}"}, timeout=30)
    assert r.ok, (r.status_code, r.text)
    return r.json() if r.text else None


@pytest.fixture
def user(server):
    """make(password=...): a new user with its name, id and, if it has one, its password."""
    made = []

    def make(password=PASSWORD, **more):
        name = f"user{time.monotonic_ns()}@x.org"
        answer = api(server, "POST", SCIM, {"userName": name, **({"password": password} if password else {}), **more})
        made.append(answer["id"])
        return name, answer["id"]

    yield make
    for i in made:
        requests.delete(f"{server.url}{SCIM}/{i}", headers={"Authorization": f"Bearer {server.token}"}, timeout=30)


class Browser:
    def __init__(self, server):
        self.server, self.s, self.csrf = server, requests.Session(), None
        self.s.trust_env = False

    def login(self, name, password=PASSWORD, **headers):
        r = self.s.post(self.server.url + "/login", json={"user_name": name, "password": password}, headers=headers, timeout=30)
        if r.ok:
            self.csrf = r.json()["csrf_token"]
        return r

    def call(self, method, path, body=None, csrf=True, **headers):
        if csrf and self.csrf and method != "GET":
            headers["X-Tarn-Csrf"] = self.csrf
        return self.s.request(method, self.server.url + path, json=body, headers=headers, timeout=30)

    def me(self):
        return self.call("GET", "/api/2.0/tarn/me")


def signed_in(server, name, password=PASSWORD):
    b = Browser(server)
    assert b.login(name, password).status_code == 200
    return b


def test_a_user_signs_in_uses_the_apis_and_signs_out(server, user):
    name, ident = user()
    b = Browser(server)
    r = b.login(name)
    assert r.status_code == 200 and r.json()["user_name"] == name and r.json()["user_id"] == ident
    cookie = r.headers["Set-Cookie"]
    assert re.fullmatch(r"tarn_session=[0-9a-f]{64}; Path=/; HttpOnly; SameSite=Strict; Max-Age=604800", cookie), cookie   # 256 random bits
    assert r.headers["Cache-Control"] == "no-store"
    me = b.me().json()
    assert me["user_name"] == name and me["admin"] is False and me["has_password"] and me["csrf_token"] == b.csrf and "users" in me["groups"]
    assert b.call("GET", "/api/2.0/clusters/list").status_code == 200
    assert b.call("POST", "/api/2.0/workspace/mkdirs", {"path": f"/Users/{name}/made"}).status_code == 200
    kept = b.s.cookies.copy()
    r = b.call("POST", "/logout")
    assert r.status_code == 200 and "Max-Age=0" in r.headers["Set-Cookie"]
    assert b.me().status_code == 401
    b.s.cookies = kept   # the cookie alone is worth nothing any more
    assert b.me().status_code == 401


def test_a_form_leads_to_a_path_of_ours_alone(server, user):
    name, _ = user()
    for wanted, got in (("/notebooks?x=1", "/notebooks?x=1"), ("", "/"), ("//evil.org", "/"), ("https://evil.org", "/"), ("/\\evil.org", "/"), ("/a\r\nX: y", "/")):
        r = requests.post(server.url + "/login", data={"user_name": name, "password": PASSWORD, "next": wanted}, allow_redirects=False, timeout=30)
        assert r.status_code == 303 and r.headers["Location"] == got and "tarn_session=" in r.headers["Set-Cookie"], wanted
    assert requests.post(server.url + "/login", data={"user_name": name, "password": "wrong one"}, allow_redirects=False, timeout=30).status_code == 401
    assert requests.post(server.url + f"/login?user_name={name}&password=x", json={}, timeout=30).status_code == 400


def test_what_is_stored_and_logged_opens_nothing(server, user):
    name, ident = user()
    b = signed_in(server, name)
    value = b.s.cookies["tarn_session"]
    Browser(server).login(name, "a wrong password, typed")
    db = sqlite3.connect(f"file:{server.home}/workspace.db?mode=ro", uri=True)
    stored = db.execute("SELECT hash FROM passwords WHERE owner = ?", (ident,)).fetchone()[0]
    assert re.match(r"\$argon2id\$v=19\$m=65536,t=3,p=1\$", stored)
    dump = "\n".join(db.iterdump())
    logs = "".join(open(os.path.join(server.home, "logs", f), errors="replace").read() for f in os.listdir(f"{server.home}/logs")) + open(f"{server.home}/stderr.log").read()
    for secret in (PASSWORD, value, b.csrf, "a wrong password, typed"):
        assert secret not in dump and secret not in logs
    audit = [json.loads(line) for line in open(f"{server.home}/logs/audit.log")]
    logins = [e for e in audit if e["action"] == "POST /login" and e.get("on", {}).get("userName") == name]
    assert [e["status"] for e in logins] == [200, 401] and "session" in logins[0]["on"]
    assert any(e["action"] == "POST /api/*/preview/scim/v2/Users" and e["on"].get("userName") == name and e["on"].get("password") == "changed" for e in audit)


def test_writes_with_a_cookie_need_the_token_and_a_page_of_ours(server, user):
    name, _ = user()
    b = signed_in(server, name)
    path, body, own = "/api/2.0/workspace/mkdirs", {"path": f"/Users/{name}/csrf"}, server.url
    assert b.call("POST", path, body, csrf=False).status_code == 403
    for token in ("", "0" * 64, b.csrf[:-1], b.csrf.upper() + "x"):
        assert b.call("POST", path, body, csrf=False, **{"X-Tarn-Csrf": token}).status_code == 403
    for headers in ({"Origin": "https://evil.org"}, {"Origin": "null"}, {"Origin": own.replace("127.0.0.1", "localhost")}, {"Origin": f"http://127.0.0.1:{server.port + 1}"},
                    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": own, "Sec-Fetch-Site": "cross-site"}):
        r = b.call("POST", path, body, **headers)
        assert r.status_code == 403 and r.json()["error_code"] == "PERMISSION_DENIED", headers
    other = signed_in(server, name)
    assert b.call("POST", path, body, csrf=False, **{"X-Tarn-Csrf": other.csrf}).status_code == 403   # it belongs to its session
    # A form of another site: no header, and what browsers say of it.
    r = b.s.post(server.url + path, data="path=/x", headers={"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://evil.org"}, timeout=30)
    assert r.status_code == 403
    for headers in ({}, {"Origin": own}, {"Origin": own, "Sec-Fetch-Site": "same-origin"}):
        assert b.call("POST", path, body, **headers).status_code == 200, headers
    for method, p in (("PUT", "/api/2.0/tarn/password"), ("DELETE", "/api/2.0/tarn/sessions/x"), ("POST", "/logout"), ("PATCH", SCIM + "/1")):
        assert b.call(method, p, {}, csrf=False).status_code == 403
    assert b.me().status_code == 200 and b.call("GET", "/api/2.0/tarn/me", Origin="https://evil.org").status_code == 200   # unreadable there: no CORS
    assert "Access-Control-Allow-Origin" not in b.me().headers
    # The same for what comes with no cookie yet: nobody is signed in as somebody else.
    for headers in ({"Origin": "https://evil.org"}, {"Sec-Fetch-Site": "cross-site"}):
        assert Browser(server).login(name, **headers).status_code == 403
    # A large body of a request that is refused is not read first.
    r = b.s.put(server.url + "/api/2.0/fs/files/Volumes/a/b/c/d", data=b"x" * (1 << 20), timeout=30)
    assert r.status_code == 403


def test_a_token_wins_over_a_cookie_and_is_not_asked_for_more(server, user):
    name, _ = user()
    b = signed_in(server, name)
    r = b.s.post(server.url + "/api/2.0/token/create", json={}, headers={"Authorization": f"Bearer {server.token}", "Origin": "https://evil.org"}, timeout=30)
    assert r.status_code == 200
    assert b.call("GET", "/api/2.0/tarn/me", Authorization="Bearer nonsense").status_code == 401
    assert b.call("GET", "/api/2.0/tarn/me", Authorization=f"Bearer {server.token}").json()["user_name"] == "admin@localhost"
    assert requests.post(server.url + "/logout", headers={"Authorization": f"Bearer {server.token}"}, timeout=30).status_code == 400
    for value in ("", "x", "0" * 64, "0" * 63, "0" * 10_000, "' OR 1=1 --"):
        assert requests.get(server.url + "/api/2.0/tarn/me", headers={"Cookie": f"tarn_session={value}"}, timeout=30).status_code == 401


def test_unknown_users_cannot_be_told_from_wrong_passwords(server, user):
    name, _ = user()
    without, _ = user(password=None)
    inactive, ident = user()
    api(server, "PATCH", f"{SCIM}/{ident}", {"Operations": [{"op": "replace", "path": "active", "value": False}]})
    times, answers = {}, set()
    for _ in range(5):
        for who in (name, without, inactive, "nobody@x.org"):
            start = time.perf_counter()
            r = Browser(server).login(who, "not the password")
            times.setdefault(who, []).append(time.perf_counter() - start)
            answers.add((r.status_code, r.json()["message"]))
    assert len(answers) == 1 and next(iter(answers))[0] == 401
    best = [min(t) for t in times.values()]
    assert min(best) > 0.02 and max(best) < 2 * min(best), times   # all of them compute a hash


def test_passwords_are_changed_by_their_owner_who_knows_the_old_one_and_by_admins(server, user):
    name, ident = user()
    a, b = signed_in(server, name), signed_in(server, name)
    put = "/api/2.0/tarn/password"
    assert a.call("PUT", put, {"password": OTHER}).status_code == 400
    assert a.call("PUT", put, {"password": OTHER, "current_password": "wrong one"}).status_code == 403
    for bad in ("short", "x" * 2000, "aaaaaaaaaaaa", name, name.split("@")[0].upper(), "a\0bcdefghijk"):
        assert a.call("PUT", put, {"password": bad, "current_password": PASSWORD}).status_code == 400, bad
    assert a.call("PUT", put, {"password": OTHER, "current_password": PASSWORD}).status_code == 200
    assert a.me().status_code == 200 and b.me().status_code == 401   # the others are out
    assert Browser(server).login(name).status_code == 401 and Browser(server).login(name, OTHER).status_code == 200
    assert Browser(server).login(name.upper(), OTHER).status_code == 200   # names are compared without regard to case, as elsewhere
    api(server, "PUT", f"/api/2.0/tarn/users/{ident}/password", {"password": PASSWORD})
    assert a.me().status_code == 401 and Browser(server).login(name).status_code == 200
    c = signed_in(server, name)
    assert c.call("PUT", f"/api/2.0/tarn/users/{ident}/password", {"password": OTHER}).status_code == 403   # no admin
    api(server, "DELETE", f"/api/2.0/tarn/users/{ident}/password")
    assert c.me().status_code == 401 and Browser(server).login(name).status_code == 401
    # Somebody with a token and no password yet sets the first one.
    token = api(server, "POST", "/api/2.0/token/create", {})["token_value"]
    assert requests.put(server.url + put, json={"password": "admin's own password"}, headers={"Authorization": f"Bearer {token}"}, timeout=30).status_code == 200
    assert requests.put(server.url + put, json={"password": "admin's own password"}, headers={"Authorization": f"Bearer {token}"}, timeout=30).status_code == 400
    principal = api(server, "POST", "/api/2.0/preview/scim/v2/ServicePrincipals", {"displayName": "sp"})
    token = api(server, "POST", "/api/2.0/token-management/on-behalf-of/tokens", {"application_id": principal["applicationId"]})["token_value"]
    assert requests.put(server.url + put, json={"password": PASSWORD}, headers={"Authorization": f"Bearer {token}"}, timeout=30).status_code == 400


def test_the_password_of_scim_is_written_and_never_read(server, user):
    name, ident = user(password=None)
    assert Browser(server).login(name).status_code == 401
    patch = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}
    for operations in ([{"op": "replace", "path": "password", "value": PASSWORD}], [{"op": "add", "value": {"password": PASSWORD}}], [{"op": "Replace", "path": "Password", "value": PASSWORD}]):
        answer = api(server, "PATCH", f"{SCIM}/{ident}", {**patch, "Operations": operations})
        assert "password" not in json.dumps(answer).lower()
        assert Browser(server).login(name).status_code == 200
        api(server, "PATCH", f"{SCIM}/{ident}", {**patch, "Operations": [{"op": "remove", "path": "password"}]})
        assert Browser(server).login(name).status_code == 401
    api(server, "PUT", f"{SCIM}/{ident}", {"userName": name, "displayName": "n", "password": PASSWORD})
    b = signed_in(server, name)
    api(server, "PUT", f"{SCIM}/{ident}", {"userName": name, "displayName": "m"})   # RFC 7644, 3.5.1: what is only written stays
    api(server, "PATCH", f"{SCIM}/{ident}", {**patch, "Operations": [{"op": "replace", "path": "displayName", "value": "p"}]})
    assert b.me().status_code == 200 and Browser(server).login(name).status_code == 200
    for answer in (api(server, "GET", f"{SCIM}/{ident}"), api(server, "GET", SCIM), api(server, "GET", f"{SCIM}?attributes=password"), api(server, "GET", f'{SCIM}?filter=password pr')):
        assert PASSWORD not in json.dumps(answer) and '"password"' not in json.dumps(answer)
    for method, path, body in (("POST", SCIM, {"userName": "w@x.org", "password": "weak"}), ("POST", "/api/2.0/preview/scim/v2/ServicePrincipals", {"displayName": "s", "password": PASSWORD}),
                               ("PATCH", f"{SCIM}/{ident}", {**patch, "Operations": [{"op": "replace", "path": "password", "value": 12345678}]})):
        r = requests.request(method, server.url + path, json=body, headers={"Authorization": f"Bearer {server.token}"}, timeout=30)
        assert r.status_code == 400 and "detail" in r.json(), r.text
    assert api(server, "GET", f'{SCIM}?filter=userName eq "w@x.org"')["totalResults"] == 0


def test_sessions_are_listed_and_end_with_their_user(server, user):
    name, ident = user()
    a, b = signed_in(server, name), Browser(server)
    b.s.headers["User-Agent"] = "another browser"
    assert b.login(name).status_code == 200
    listed = a.call("GET", "/api/2.0/tarn/sessions").json()["sessions"]
    assert [s["current"] for s in listed] == [True, False] and listed[1]["user_agent"] == "another browser" and listed[0]["address"] == "127.0.0.1"
    assert a.s.cookies["tarn_session"] not in json.dumps(listed)
    assert len(api(server, "GET", f"/api/2.0/tarn/sessions?user_name={name}")["sessions"]) == 2
    stranger, _ = user()
    c = signed_in(server, stranger)
    assert c.call("GET", f"/api/2.0/tarn/sessions?user_name={name}").status_code == 403
    assert c.call("DELETE", f"/api/2.0/tarn/sessions/{listed[1]['session_id']}").status_code == 404
    assert a.call("DELETE", f"/api/2.0/tarn/sessions/{listed[1]['session_id']}").status_code == 200
    assert b.me().status_code == 401 and a.me().status_code == 200
    # Who signs in again in the same browser leaves the session before.
    before = a.s.cookies["tarn_session"]
    assert a.login(name).status_code == 200 and a.s.cookies["tarn_session"] != before
    assert len(a.call("GET", "/api/2.0/tarn/sessions").json()["sessions"]) == 1
    for op in ("active", "delete"):
        d = signed_in(server, name)
        if op == "active":
            for value in (False, True):
                api(server, "PATCH", f"{SCIM}/{ident}", {"Operations": [{"op": "replace", "path": "active", "value": value}]})
        else:
            requests.delete(f"{server.url}{SCIM}/{ident}", headers={"Authorization": f"Bearer {server.token}"}, timeout=30)
        assert d.me().status_code == 401, op   # and does not come back with the user


def test_sessions_end_when_idle_and_after_their_lifetime(server, user):
    name, ident = user()
    for column in ("used_ms", "created_ms"):
        b = signed_in(server, name)
        with sqlite3.connect(f"{server.home}/workspace.db", timeout=30) as db:
            db.execute(f"UPDATE web_sessions SET {column} = {column} - ? WHERE owner = ?", (8 * 3600 * 1000 - 20_000 if column == "used_ms" else 7 * 86_400_000 + 1, ident))
        if column == "used_ms":
            assert b.me().status_code == 200   # 20 s before the end: used, so it goes on
            with sqlite3.connect(f"{server.home}/workspace.db", timeout=30) as db:
                assert db.execute("SELECT used_ms FROM web_sessions WHERE owner = ?", (ident,)).fetchone()[0] > (time.time() - 60) * 1000
                db.execute("UPDATE web_sessions SET used_ms = used_ms - ? WHERE owner = ?", (8 * 3600 * 1000 + 1, ident))
        assert b.me().status_code == 401, column


def test_who_guesses_waits(tmp_path):
    s = Server(tmp_path)
    try:
        api(s, "POST", SCIM, {"userName": "guess@x.org", "password": PASSWORD})
        api(s, "POST", SCIM, {"userName": "other@x.org", "password": PASSWORD})
        assert [Browser(s).login("guess@x.org", f"guess {i:04}").status_code for i in range(10)] == [401] * 10
        for password in ("guess 0011", PASSWORD):   # the right one, too: nobody learns by going on
            r = Browser(s).login("guess@x.org", password)
            assert r.status_code == 429 and 1 <= int(r.headers["Retry-After"]) <= 60 and r.json()["error_code"] == "RESOURCE_EXHAUSTED"
        assert Browser(s).login("other@x.org").status_code == 200
        # Names without end from one address are not let through either, however many at once.
        seen = []
        threads = [threading.Thread(target=lambda k=k: [seen.append(Browser(s).login(f"n{k}-{i}@x.org", "whatever it is").status_code) for i in range(30)]) for k in range(8)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        assert set(seen) <= {401, 429} and seen.count(401) <= 90
        r = Browser(s).login("other@x.org")
        assert r.status_code == 429 and int(r.headers["Retry-After"]) >= 1
        assert api(s, "GET", "/api/2.0/tarn/me")["user_name"] == "admin@localhost"   # tokens go on
    finally:
        assert s.stop() == 0


def test_logins_take_little_memory_and_leave_room_for_others(tmp_path):
    s = Server(tmp_path)
    try:
        api(s, "POST", SCIM, {"userName": "u@x.org", "password": PASSWORD})
        with open(f"/proc/{s.process.pid}/clear_refs", "w") as f:
            f.write("5")
        status = lambda field: next(int(line.split()[1]) for line in open(f"/proc/{s.process.pid}/status") if line.startswith(field)) // 1024  # noqa: E731
        before, seen, slow = status("VmRSS"), [], []
        threads = [threading.Thread(target=lambda: [seen.append(Browser(s).login("u@x.org").status_code) for _ in range(2)]) for _ in range(24)]
        [t.start() for t in threads]
        while any(t.is_alive() for t in threads):
            start = time.perf_counter()
            assert requests.get(s.url + "/health", timeout=30).status_code == 200
            slow.append(time.perf_counter() - start)
        [t.join() for t in threads]
        assert set(seen) <= {200, 429} and 200 in seen   # too many at once are told so
        assert status("VmHWM") - before < 200, "MB"
        assert sorted(slow)[len(slow) // 2] < 0.5
    finally:
        assert s.stop() == 0


def test_under_tls_the_cookie_is_secure_and_bound_to_the_host(tmp_path):
    made = make_certificates(str(tmp_path))
    s = Server(tmp_path / "home", "--tls-cert", made.certificate, "--tls-key", made.key)
    try:
        s.url = f"https://localhost:{s.port}"
        session = requests.Session()
        session.trust_env, session.verify = False, made.ca
        session.headers["Authorization"] = f"Bearer {s.token}"
        assert session.post(s.url + SCIM, json={"userName": "t@x.org", "password": PASSWORD}).status_code == 201
        del session.headers["Authorization"]
        r = session.post(s.url + "/login", json={"user_name": "t@x.org", "password": PASSWORD})
        assert re.fullmatch(r"__Host-tarn_session=([0-9a-f]{64}); Path=/; HttpOnly; SameSite=Strict; Max-Age=\d+; Secure", r.headers["Set-Cookie"])
        value = session.cookies["__Host-tarn_session"]
        assert session.get(s.url + "/api/2.0/tarn/me").status_code == 200
        get = lambda cookie: requests.get(s.url + "/api/2.0/tarn/me", headers={"Cookie": cookie}, verify=made.ca, timeout=30).status_code  # noqa: E731
        assert get(f"a=b; __Host-tarn_session={value}; c=d") == 200 and get(f"tarn_session={value}") == 401   # which another host could have set
        post = lambda origin: session.post(s.url + "/logout", headers={"Origin": origin, "X-Tarn-Csrf": r.json()["csrf_token"]}).status_code  # noqa: E731
        assert post(s.url.replace("https", "http")) == 403 and post(s.url) == 200
    finally:
        assert s.stop() == 0


def tarn_user(home, *words, **kw):
    return subprocess.run([tarn_binary(), "user", *words, "--home", home], capture_output=True, text=True, timeout=60, **kw)


def test_the_command_line_sets_passwords_from_standard_input_or_the_terminal(server, user):
    name, _ = user(password=None)
    done = tarn_user(server.home, "password", name, input=PASSWORD + "\n")
    assert (done.returncode, done.stdout) == (0, f"the password of {name} is set; 0 sessions ended\n"), done.stderr
    b = signed_in(server, name)
    # A terminal: asked twice, nothing of it shown.
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(tarn_binary(), [tarn_binary(), "user", "password", name, "--home", server.home])
    said = b""
    for prompt in (b"New password: ", b"Again: "):
        while not said.endswith(prompt):
            said += os.read(fd, 1000)
        os.write(fd, OTHER.encode() + b"\n")
    try:
        while piece := os.read(fd, 1000):
            said += piece
    except OSError:
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 and OTHER.encode() not in said and b"1 sessions ended" in said
    assert b.me().status_code == 401 and Browser(server).login(name, OTHER).status_code == 200
    for words, text, status in ((("password", name, OTHER), "", 2), (("password",), "", 2), ((), "", 2), (("passwd", name), "", 2), (("password", "nobody@x.org"), PASSWORD, 1),
                                (("password", name), "short\n", 1), (("password", name), "", 1)):
        done = tarn_user(server.home, *words, input=text)
        assert done.returncode == status and done.stderr.count("\n") == 1 and OTHER not in done.stderr, (words, done)
    assert tarn_user("/nowhere", "password", name, input=PASSWORD).returncode == 1
