#!/usr/bin/env python3
"""The workshop's first hour: its cloud resources, made with the stock clients of Azure and Databricks, and the main job on them.

    resources.py [--tarn build/release/bin/tarn] [--dir DIR]

Starts a workspace with TLS; makes a file system in its storage account and uploads the landing zone; keeps the account's key in its key
vault, a secret scope over the vault, a cluster that ends after an hour, a mount; then runs the main job, which reads the landing
zone through the mount and keeps its tables at abfss: paths, both with the key from the scope. Ends with status 0 and a summary, or 1 and what failed.
"""
import argparse
import datetime
import json
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "tools")]
import run  # noqa: E402
from certificates import make_certificates  # noqa: E402
from store import Store  # noqa: E402

ACCOUNT, FILE_SYSTEM, SCOPE, SECRET, MOUNT = "tarnlake", "lake", "workshop", "lake-key", "/mnt/workshop"
HOST = f"{ACCOUNT}.dfs.core.windows.net"
TENANT = "00000000-0000-0000-0000-000000000000"


class Workspace:
    """`tarn server` with TLS on a free port of this machine."""

    def __init__(self, tarn: str, directory: str):
        self.home, self.log = os.path.join(directory, "home"), os.path.join(directory, "server.log")
        os.makedirs(self.home)
        self.certificate, certificate, key = make_certificates(directory)
        command = [tarn, "server", "--listen", "localhost:0", "--home", self.home, "--tls-cert", certificate, "--tls-key", key,
                   "--storage-account", ACCOUNT, "--tenant", TENANT]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the workspace did not start, see {self.log}")
        self.port = int(line.rsplit(":", 1)[1])
        self.url = f"https://localhost:{self.port}"
        with open(os.path.join(self.home, "admin-token"), encoding="ascii") as f:
            self.token = f.read().strip()
        # requests (databricks-sdk, msal) and gRPC take their authorities from the environment.
        os.environ["REQUESTS_CA_BUNDLE"] = os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = self.certificate

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


class Lake(Store):
    """The workspace's storage account, as deltalake sees it when it checks the tables."""

    def __init__(self, workspace: Workspace, key: str):
        super().__init__(f"abfss://{FILE_SYSTEM}@{HOST}")
        self.service, self.key = lake_service(workspace, key), key
        self.options = {"azure_storage_account_name": ACCOUNT, "azure_storage_account_key": key,
                        "azure_storage_endpoint": f"{workspace.url}/{ACCOUNT}", "allow_invalid_certificates": "true"}

    def upload(self, directory: str, uri: str) -> None:
        files = self.service.get_file_system_client(FILE_SYSTEM)
        prefix = uri.removeprefix(self.mount or self.uri).strip("/")
        for folder, _, names in os.walk(directory):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as f:
                    files.get_file_client(f"{prefix}/{os.path.relpath(path, directory)}").upload_data(f, overwrite=True)


def lake_service(workspace: Workspace, key: str):
    from azure.storage.filedatalake import DataLakeServiceClient

    return DataLakeServiceClient(f"{workspace.url}/{ACCOUNT}", credential={"account_name": ACCOUNT, "account_key": key},
                                 connection_verify=workspace.certificate)


def make_vault_client(client, workspace: Workspace):
    """A service principal of the workspace may keep and read secrets in the vault; this is its client."""
    from azure.identity import ClientSecretCredential
    from azure.keyvault.secrets import SecretClient

    principal = client.service_principals.create(display_name="workshop")
    secret = client.api_client.do("POST", f"/api/2.0/accounts/servicePrincipals/{principal.id}/credentials/secrets")["secret"]
    client.api_client.do("PUT", "/api/2.0/permissions/key-vaults/tarnvault",
                         body={"access_control_list": [{"service_principal_name": principal.application_id, "permission_level": "CAN_MANAGE"}]})
    credential = ClientSecretCredential(TENANT, principal.application_id, secret, authority=workspace.url, disable_instance_discovery=True,
                                        connection_verify=workspace.certificate)
    return SecretClient(workspace.url, credential, verify_challenge_resource=False, connection_verify=workspace.certificate)


def make_cluster(client, workspace: Workspace) -> str:
    """A cluster that ends after an hour without work; it reaches the storage account by the workspace's address. Returns its id."""
    return client.clusters.create(
        cluster_name="workshop", spark_version="17.3.x-scala2.13", node_type_id="Standard_D4ds_v5", num_workers=0, autotermination_minutes=60,
        spark_conf={f"fs.azure.account.endpoint.{HOST}": f"{workspace.url}/{ACCOUNT}",
                    f"fs.azure.account.key.{HOST}": f"{{{{secrets/{SCOPE}/{SECRET}}}}}"},
        spark_env_vars={"SSL_CERT_FILE": workspace.certificate},
    ).result().cluster_id


def mount(workspace: Workspace, cluster: str, lake: Lake) -> None:
    """Mounts the file system as a notebook does, on the cluster, with the key from the scope; another client then sees it."""
    from databricks.sdk import WorkspaceClient

    notebook = WorkspaceClient(host=workspace.url, token=workspace.token, cluster_id=cluster)
    key = notebook.dbutils.secrets.get(SCOPE, SECRET)
    notebook.dbutils.fs.mount(lake.uri, MOUNT, extra_configs={f"fs.azure.account.key.{HOST}": key})
    if not notebook.dbfs.exists(MOUNT):
        raise RuntimeError(f"{MOUNT} is not to be seen")
    lake.mount = MOUNT


def connect(workspace: Workspace, cluster: str):
    from pyspark.sql.connect.session import SparkSession

    return SparkSession.builder.remote(f"sc://localhost:{workspace.port}/;use_ssl=true;token={workspace.token};x-databricks-cluster-id={cluster}").create()


def build(workspace: Workspace, directory: str, step: run.Steps) -> None:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.workspace import AzureKeyVaultSecretScopeMetadata, ScopeBackendType

    client = WorkspaceClient(host=workspace.url, token=workspace.token)
    with open(os.path.join(workspace.home, "storage-account.json"), encoding="utf-8") as f:
        key = json.load(f)["key1"]
    lake = Lake(workspace, key)
    step("storage account: a file system", lambda: lake.service.create_file_system(FILE_SYSTEM))
    vault = step("key vault: a service principal and its client", lambda: make_vault_client(client, workspace))
    step("key vault: the account's key", lambda: vault.set_secret(SECRET, key))
    metadata = AzureKeyVaultSecretScopeMetadata(
        resource_id="/subscriptions/workshop/resourceGroups/workshop/providers/Microsoft.KeyVault/vaults/tarnvault", dns_name=f"https://tarnvault.vault.localhost:{workspace.port}")
    step("secret scope over the vault", lambda: client.secrets.create_scope(SCOPE, scope_backend_type=ScopeBackendType.AZURE_KEYVAULT, backend_azure_keyvault=metadata))
    if client.dbutils.secrets.get(SCOPE, SECRET) != key:
        raise RuntimeError("the scope gives another secret than the vault has")
    cluster = step("cluster with a limit of 60 idle minutes", lambda: make_cluster(client, workspace))
    step(f"mount of the file system at {MOUNT}", lambda: mount(workspace, cluster, lake))
    spark = step("connect PySpark through the workspace", lambda: connect(workspace, cluster))
    try:
        spark.clearProgressHandlers()
        run.job(spark, directory, lake, step)
    finally:
        spark.stop()


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tarn", default=os.path.join(run.ROOT, "build", "release", "bin", "tarn"))
    p.add_argument("--dir", default=os.path.join(run.ROOT, "build", "resources"), help="where the workspace's home and the landing zone go (emptied first)")
    a = p.parse_args()
    directory, step, workspace = os.path.abspath(a.dir), run.Steps(), None
    try:
        run.make_empty(directory)
        print(f"The workshop's cloud resources in {directory}\n")
        workspace = step("start the workspace", lambda: Workspace(a.tarn, directory))
        build(workspace, directory, step)
    except Exception as e:
        print(f"\nresources: {e}", file=sys.stderr)
        if workspace:
            print(f"resources: the workspace's log is {workspace.log}", file=sys.stderr)
        return 1
    finally:
        if workspace:
            workspace.stop()
    run.print_rows(step)
    print(f"\nTotal {sum(t for _, t in step.times):.1f} s. The storage account, the vault and the metastore are below {workspace.home}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
