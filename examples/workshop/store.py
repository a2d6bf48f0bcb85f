"""A lake on an object store, as the other clients of the job see it: the vendor's client lays out the landing zone, deltalake checks the
tables. Both get their credentials from the settings that Spark gets."""
import os
from urllib.parse import urlparse


class Store:
    """The local disk."""

    options: dict[str, str] | None = None
    mount = ""   # where the store is mounted; the landing zone is read there

    def __init__(self, uri: str = "", conf: dict[str, str] | None = None):
        self.uri, self.conf = uri.rstrip("/"), {k.removeprefix("spark.hadoop."): v for k, v in (conf or {}).items()}

    def upload(self, directory: str, uri: str) -> None:
        """A local directory to a place of the store."""

    def other_name(self, path: str) -> str:
        """The path as deltalake has it."""
        return path


class AzureStore(Store):
    def __init__(self, uri, conf):
        super().__init__(uri, conf)
        authority = urlparse(uri).netloc
        self.container, self.host = authority.split("@")
        self.account = self.host.split(".")[0]
        suffix = self.host.split(".", 2)[2]
        self.key = self._find("fs.azure.account.key")
        self.endpoints = {side: self.conf.get(f"fs.azure.account.endpoint.{self.account}.{side}.{suffix}") for side in ("blob", "dfs")}
        self.options = {"azure_storage_account_name": self.account, "azure_storage_account_key": self.key}
        if endpoint := self.endpoints["blob"] or self.endpoints["dfs"]:
            self.options |= {"azure_storage_endpoint": endpoint, "azure_allow_http": "true"}

    def _find(self, name):
        hosts = (self.host, self.host.replace(".dfs.", ".blob."), self.host.replace(".blob.", ".dfs."))
        return next(self.conf[k] for k in [*(f"{name}.{h}" for h in hosts), name] if k in self.conf)

    def upload(self, directory, uri):
        from azure.storage.blob import ContainerClient

        url = self.endpoints["blob"] or self.endpoints["dfs"] or f"https://{self.account}.blob.core.windows.net"
        with ContainerClient(url, self.container, credential=self.key) as container:
            for folder, _, names in os.walk(directory):
                for name in names:
                    file = os.path.join(folder, name)
                    with open(file, "rb") as content:
                        container.upload_blob(f"{urlparse(uri).path.lstrip('/')}/{os.path.relpath(file, directory)}", content, overwrite=True)

    def other_name(self, path):
        return path.replace("wasbs://", "abfss://").replace(".blob.", ".dfs.")


class S3Store(Store):
    def __init__(self, uri, conf):
        super().__init__(uri, conf)
        self.bucket = urlparse(uri).netloc
        self.key, self.secret, self.endpoint = (self.conf.get(f"fs.s3a.{k}") for k in ("access.key", "secret.key", "endpoint"))
        self.region = self.conf.get("fs.s3a.endpoint.region", "us-east-1")
        self.options = {"AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_REGION": self.region, "conditional_put": "etag"}
        if self.endpoint:
            self.options |= {"AWS_ENDPOINT_URL": self.endpoint, "AWS_ALLOW_HTTP": "true"}

    def upload(self, directory, uri):
        from pyarrow import fs

        s3 = fs.S3FileSystem(access_key=self.key, secret_key=self.secret, region=self.region, endpoint_override=self.endpoint)
        fs.copy_files(directory, self.bucket + urlparse(uri).path, destination_filesystem=s3)


def store_of(uri: str | None, conf: dict[str, str]) -> Store:
    scheme = urlparse(uri or "").scheme
    if scheme in ("abfss", "abfs", "wasbs", "wasb"):
        return AzureStore(uri, conf)
    if scheme in ("s3", "s3a"):
        return S3Store(uri, conf)
    if uri:
        raise ValueError(f"--store wants an abfss:, wasbs: or s3a: URI, not {uri}")
    return Store()
