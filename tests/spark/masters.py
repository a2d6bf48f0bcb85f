"""Masters that a cluster of the kind spark is started on: a standalone cluster and YARN, each with one worker on this machine."""
import contextlib
import glob
import json
import os
import pathlib
import socket
import subprocess
import time
import urllib.request

HADOOP = "3.5.0"   # of Spark 4.2
PACKAGES = f"org.apache.hadoop:hadoop-client-minicluster:{HADOOP},org.bouncycastle:bcpkix-jdk18on:1.82"


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as open_until_all_are_found:
        sockets = [open_until_all_are_found.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


@contextlib.contextmanager
def processes(commands: dict[str, list[str]], work: str, environment: dict[str, str]):
    """Runs them with their output in work/NAME.log until the block ends."""
    running = []
    try:
        for name, command in commands.items():
            with open(os.path.join(work, name + ".log"), "wb") as log:
                running.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=work, env={**os.environ, **environment}))
        yield
    finally:
        for p in running:
            p.terminate()
        for p in running:
            try:
                p.wait(20)
            except subprocess.TimeoutExpired:
                p.kill()


def wait_for(url: str, holds, seconds: float = 90) -> None:
    """Until holds() is true of the JSON document at url."""
    limit = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if holds(json.load(answer)):
                    return
        except (OSError, ValueError):
            pass
        if time.monotonic() > limit:
            raise TimeoutError(f"{url} does not say what is waited for")
        time.sleep(0.5)


@contextlib.contextmanager
def local(_spark: str, _work: str):
    yield {}, {}


@contextlib.contextmanager
def standalone(spark: str, work: str):
    """spark://: a master and a worker of the installation."""
    port, page, worker_page = free_ports(3)
    of = [os.path.join(spark, "bin", "spark-class")]
    commands = {"master": of + ["org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", str(page)],
                "worker": of + ["org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--cores", "2", "--memory", "3g", "--webui-port", str(worker_page),
                                "--work-dir", os.path.join(work, "executors"), f"spark://127.0.0.1:{port}"]}
    with processes(commands, work, {"SPARK_HOME": spark}):
        wait_for(f"http://127.0.0.1:{page}/json/", lambda state: state["aliveworkers"] == 1)
        yield {"spark.master": f"spark://127.0.0.1:{port}", "spark.driver.host": "127.0.0.1"}, {}


@contextlib.contextmanager
def yarn(spark: str, work: str):
    """YARN's resource manager and a node manager, out of Hadoop's jar for such tests."""
    java = os.path.join(os.environ["JAVA_HOME"], "bin", "java") if os.environ.get("JAVA_HOME") else "java"
    ivy = os.path.join(work, "ivy")
    # Spark's own resolver fetches them; the class is not there, and need not be.
    subprocess.run([os.path.join(spark, "bin", "spark-submit"), "--master", "local[1]", "--packages", PACKAGES, "--conf", f"spark.jars.ivy={ivy}", "--class", "None", "spark-internal"],
                   env={**os.environ, "SPARK_HOME": spark}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    jars = [j for j in glob.glob(ivy + "/jars/*.jar") if "minicluster" in j or "bouncycastle" in j]
    assert jars, f"{PACKAGES} could not be fetched"
    conf = pathlib.Path(work, "conf")
    conf.mkdir()
    names = ["resourcemanager.address", "resourcemanager.scheduler.address", "resourcemanager.resource-tracker.address", "resourcemanager.admin.address",
             "resourcemanager.webapp.address", "nodemanager.address", "nodemanager.localizer.address", "nodemanager.webapp.address"]
    addresses = {"yarn." + name: f"127.0.0.1:{port}" for name, port in zip(names, free_ports(len(names)))}
    settings = {
        "yarn-site.xml": {**addresses, "yarn.resourcemanager.hostname": "127.0.0.1", "yarn.resourcemanager.bind-host": "127.0.0.1", "yarn.nodemanager.hostname": "127.0.0.1",
                          "yarn.nodemanager.local-dirs": f"{work}/local", "yarn.nodemanager.log-dirs": f"{work}/logs", "yarn.nodemanager.resource.memory-mb": "6144",
                          "yarn.nodemanager.vmem-check-enabled": "false", "yarn.scheduler.minimum-allocation-mb": "256",
                          "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": "99.5"},
        "capacity-scheduler.xml": {"yarn.scheduler.capacity.root.queues": "default", "yarn.scheduler.capacity.root.default.capacity": "100",
                                   "yarn.scheduler.capacity.maximum-am-resource-percent": "1.0"},
        "core-site.xml": {"fs.defaultFS": "file:///"}}
    for file, values in settings.items():
        (conf / file).write_text("<configuration>" + "".join(f"<property><name>{k}</name><value>{v}</value></property>" for k, v in values.items()) + "</configuration>\n")
    path = ":".join([str(conf), *jars, spark + "/jars/*"])
    commands = {name: [java, "-Xmx512m", "-cp", path, f"org.apache.hadoop.yarn.server.{name.lower()}.{name}"] for name in ("ResourceManager", "NodeManager")}
    with processes(commands, work, {}):
        wait_for(f"http://{addresses['yarn.resourcemanager.webapp.address']}/ws/v1/cluster/nodes",
                 lambda state: any(n["state"] == "RUNNING" for n in (state["nodes"] or {}).get("node", [])))
        # The jars of the installation are where the executors run, too.
        yield {"spark.master": "yarn", "spark.submit.deployMode": "client", "spark.yarn.jars": f"local:{spark}/jars/*", "spark.driver.host": "127.0.0.1",
               "spark.executor.instances": "1", "spark.executor.cores": "2", "spark.executor.memory": "1536m"}, {"HADOOP_CONF_DIR": str(conf), "YARN_CONF_DIR": str(conf)}


MASTERS = {"local": local, "standalone": standalone, "yarn": yarn}
