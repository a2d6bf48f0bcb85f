"""Git folders and git credentials, with the stock SDK and a git server of our own on loopback."""
import base64
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from test_workspace import SOURCE, Server

from databricks.sdk.errors import DatabricksError
from databricks.sdk.service import workspace as ws


class GitServer:
    """A repository over smart HTTP (`git http-backend`), with a password if one is given."""

    def __init__(self, root, password=""):
        self.root, self.tree, self.password, self.requests = root, os.path.join(root, "tree"), password, []
        os.makedirs(self.tree)
        self.git("init", "-q", "-b", "main")
        self.commit("one", {"nb.py": SOURCE, "lib/plain.py": "x = 1\n", "data.csv": "a,b\n", "both.py": SOURCE, "both.sql": "-- Databricks notebook source\nselect 1"})
        self.git("tag", "v1")
        self.git("checkout", "-qb", "dev")
        self.commit("two", {"dev.txt": "dev", "nb.py": SOURCE.replace("x = 1", "x = 2"), "data.csv": None})
        self.git("checkout", "-q", "main")
        os.symlink("/etc/passwd", os.path.join(self.tree, "link"))
        self.commit("a link", {})
        subprocess.run(["git", "clone", "-q", "--bare", self.tree, os.path.join(root, "repo.git")], check=True)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                path, _, query = self.path.partition("?")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.requests.append(path)
                wanted = "Basic " + base64.b64encode(f"ada:{outer.password}".encode()).decode()
                if path.startswith("/moved/"):
                    self.send_response(302)
                    self.send_header("Location", outer.host.replace("127.0.0.1", "localhost") + "/" + self.path[7:])
                    self.end_headers()
                    return
                if outer.password and self.headers.get("Authorization") != wanted:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="git"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                out = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env={
                    **os.environ, "GIT_PROJECT_ROOT": outer.root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""), "REMOTE_ADDR": "127.0.0.1", "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")}).stdout
                head, _, rest = out.partition(b"\r\n\r\n")
                lines = head.decode().split("\r\n")
                self.send_response(next((int(x.split()[1]) for x in lines if x.lower().startswith("status:")), 200))
                for x in lines:
                    if ":" in x and not x.lower().startswith("status:"):
                        self.send_header(*x.split(": ", 1))
                self.send_header("Content-Length", str(len(rest)))
                self.end_headers()
                self.wfile.write(rest)

            do_POST = do_GET

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.host = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.url = self.host + "/repo.git"

    def git(self, *arguments):
        who = {f"GIT_{w}_{k}": v for w in ("AUTHOR", "COMMITTER") for k, v in (("NAME", "a"), ("EMAIL", "a@example.com"))}
        return subprocess.run(["git", "-C", self.tree, *arguments], check=True, capture_output=True, text=True, env={**os.environ, **who}).stdout.strip()

    def commit(self, message, files):
        for name, text in files.items():
            path = os.path.join(self.tree, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.remove(path) if text is None else open(path, "w").write(text)
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    def head(self, name):
        return self.git("rev-parse", name + "^{commit}")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("workspace"), "--allowed-hosts", "127.0.0.1,*.example.com")
    yield s
    assert s.stop() == 0


def tree(w, path):
    out = {}
    for o in w.workspace.list(path, recursive=False):
        out[o.path[len(path) + 1:]] = o.object_type.value
        if o.object_type.value == "DIRECTORY":
            out.update({o.path[len(path) + 1:] + "/" + k: v for k, v in tree(w, o.path).items()})
    return out


def test_a_git_folder_has_the_files_of_a_branch_or_tag(server, tmp_path):
    git, w = GitServer(str(tmp_path)), server.w
    r = w.repos.create(git.url, "gitHub", path="/Repos/team/r") if w.workspace.mkdirs("/Repos/team") is None else None
    assert (r.branch, r.head_commit_id, w.workspace.get_status(r.path).object_type.value) == ("main", git.head("main"), "REPO")
    # A link would lead out of the repository: it is no file. Two notebooks of one name keep their endings apart.
    assert tree(w, r.path) == {"nb": "NOTEBOOK", "lib": "DIRECTORY", "lib/plain.py": "FILE", "data.csv": "FILE", "both": "NOTEBOOK", "both.sql": "FILE"}
    before = w.workspace.get_status(r.path + "/nb").object_id
    w.repos.update(r.id, branch="dev")
    assert w.repos.get(r.id).head_commit_id == git.head("dev")
    assert "dev.txt" in tree(w, r.path) and "data.csv" not in tree(w, r.path)
    assert w.workspace.get_status(r.path + "/nb").object_id == before
    assert b"x = 2" in base64.b64decode(w.workspace.export(r.path + "/nb", format=ws.ExportFormat.SOURCE).content)
    git.commit("three", {"new.txt": "n"})
    git.git("push", "-q", os.path.join(git.root, "repo.git"), "main")
    w.repos.update(r.id, branch="main")
    assert "new.txt" in tree(w, r.path) and w.repos.get(r.id).head_commit_id == git.head("main")
    w.repos.update(r.id, tag="v1")
    assert w.repos.get(r.id).head_commit_id == git.head("v1") and "new.txt" not in tree(w, r.path)
    for arguments in ({"branch": "none"}, {"tag": "../../etc"}, {"branch": "a..b"}):
        with pytest.raises(DatabricksError):
            w.repos.update(r.id, **arguments)
    # What was changed here is not thrown away.
    w.workspace.import_(r.path + "/nb", content=base64.b64encode(SOURCE.encode()).decode(), format=ws.ImportFormat.SOURCE, language=ws.Language.PYTHON, overwrite=True)
    with pytest.raises(DatabricksError, match="changed since"):
        w.repos.update(r.id, branch="dev")
    assert r.id in [x.id for x in w.repos.list(path_prefix="/Repos/team")]
    w.repos.delete(r.id)
    assert not os.path.exists(f"{server.home}/git/{r.id}")
    with pytest.raises(DatabricksError):
        w.workspace.get_status(r.path)


def test_a_sparse_checkout_has_its_folders_and_what_lies_on_the_way(server, tmp_path):
    git, w = GitServer(str(tmp_path)), server.w
    git.commit("deep", {"src/a/x.py": "1", "src/a/deep/y.py": "2", "src/b/z.py": "3", "src/top.py": "4", "other/o.py": "5"})
    git.git("push", "-q", os.path.join(git.root, "repo.git"), "main")
    root = {"nb", "data.csv", "both", "both.sql"}

    def files(path):
        return {k for k, v in tree(w, path).items() if v != "DIRECTORY"}

    r = w.repos.create(git.url, "gitHub", path="/Shared/sparse", sparse_checkout=ws.SparseCheckout(patterns=["src/a/"]))
    assert r.sparse_checkout.patterns == ["src/a"] == w.repos.get(r.id).sparse_checkout.patterns
    assert files(r.path) == root | {"src/top.py", "src/a/x.py", "src/a/deep/y.py"}
    w.repos.update(r.id, sparse_checkout=ws.SparseCheckoutUpdate(patterns=["src/b", "lib"]))
    assert files(r.path) == root | {"src/top.py", "src/b/z.py", "lib/plain.py"}
    w.repos.update(r.id, tag="v1")
    assert files(r.path) == root | {"lib/plain.py"}
    for patterns in (["*.py"], ["!src"], ["../x"], ["a//b"], [""]):
        with pytest.raises(DatabricksError, match="cone mode"):
            w.repos.create(git.url, "gitHub", path="/Shared/odd", sparse_checkout=ws.SparseCheckout(patterns=patterns))
    whole = w.repos.create(git.url, "gitHub", path="/Shared/whole")
    with pytest.raises(DatabricksError, match="begins when"):
        w.repos.update(whole.id, branch="main", sparse_checkout=ws.SparseCheckoutUpdate(patterns=["src"]))
    # Changes are thrown away only when that is said.
    w.workspace.import_(whole.path + "/nb", content=base64.b64encode(SOURCE.encode()).decode(), format=ws.ImportFormat.SOURCE, language=ws.Language.PYTHON, overwrite=True)
    with pytest.raises(DatabricksError, match="changed since"):
        w.repos.update(whole.id, branch="dev")
    w.repos.update(whole.id, branch="dev", dangerously_force_discard_all=True)
    assert b"x = 2" in base64.b64decode(w.workspace.export(whole.path + "/nb", format=ws.ExportFormat.SOURCE).content)


def test_a_credential_is_taken_by_its_id(server, tmp_path):
    git, w = GitServer(str(tmp_path), password="right-one"), server.w
    good = w.git_credentials.create("gitHub", git_username="ada", personal_access_token="right-one")
    w.git_credentials.create("gitHub", git_username="ada", personal_access_token="newer-but-wrong")
    with pytest.raises(DatabricksError, match="not accepted"):
        w.repos.create(git.url, "gitHub", path="/Shared/by-id")
    assert w.repos.create(git.url, "gitHub", path="/Shared/by-id", git_credential_id=good.credential_id).branch == "main"
    with pytest.raises(DatabricksError, match="does not exist"):
        w.repos.create(git.url, "gitHub", path="/Shared/by-none", git_credential_id=10**6)
    for c in list(w.git_credentials.list()):
        w.git_credentials.delete(c.credential_id)


def test_credentials_are_used_and_never_shown(server, tmp_path):
    git, w = GitServer(str(tmp_path), password="ghp_SECRET"), server.w
    with pytest.raises(DatabricksError, match="needs credentials"):
        w.repos.create(git.url, "gitLab", path="/Shared/closed")
    c = w.git_credentials.create("gitLab", git_username="ada", personal_access_token="wrong")
    with pytest.raises(DatabricksError, match="not accepted"):
        w.repos.create(git.url, "gitLab", path="/Shared/closed")
    w.git_credentials.update(c.credential_id, "gitLab", git_username="ada", personal_access_token="ghp_SECRET")
    r = w.repos.create(git.url, "gitLab", path="/Shared/closed")
    assert "nb" in tree(w, r.path)
    for folder, _, names in os.walk(server.home):
        for name in names:
            assert b"ghp_SECRET" not in open(os.path.join(folder, name), "rb").read(), name
    assert b"SECRET" not in server.http("GET", "/api/2.0/git-credentials", server.token)[2]


def test_the_server_goes_nowhere_else(server, tmp_path):
    git, w = GitServer(str(tmp_path)), server.w
    for url in ("file:///etc", git.url.replace("http:", "ssh:"), git.url.replace("127.0.0.1", "localhost"), git.url.replace("//", "//ada:x@"), "http://169.254.169.254/x",
                "https://github.com/x/y", str(tmp_path) + "/repo.git", "git@github.com:x/y.git", "http://[::ffff:127.0.0.1]/x", git.host + "/moved/repo.git", git.host + "/nothing.git"):
        with pytest.raises(DatabricksError):
            w.repos.create(url, "gitHub", path="/Shared/ssrf")
    assert "/repo.git/info/refs" not in git.requests   # the redirect to another host was not followed
    assert "ssrf" not in [o.path for o in w.workspace.list("/Shared")]
    assert [n for n in os.listdir(f"{server.home}/git") if n.startswith("new-")] == []


def test_others_neither_see_nor_change_a_git_folder(server, tmp_path):
    git, w = GitServer(str(tmp_path)), server.w
    sp = w.service_principals_v2.create(display_name="s", active=True)
    other = server.client(token=w.token_management.create_obo_token(sp.application_id, lifetime_seconds=600).token_value)
    w.workspace.mkdirs("/Repos/mine")
    r = w.repos.create(git.url, "gitHub", path="/Repos/mine/r")
    for call in (lambda: other.repos.get(r.id), lambda: other.repos.update(r.id, branch="dev"), lambda: other.repos.delete(r.id),
                 lambda: other.repos.create(git.url, "gitHub", path="/Repos/mine/r2"), lambda: other.repos.create(git.url, "gitHub", path=r.path + "/in")):
        with pytest.raises(DatabricksError):
            call()
    assert r.id not in [x.id for x in other.repos.list()] and list(other.git_credentials.list()) == []
    theirs = other.repos.create(git.url, "gitHub")   # without a path: in a folder of one's own
    assert theirs.path == f"/Repos/{sp.application_id}/repo"
