"""dbutils.notebook: end this notebook with a value, run another, know where one is."""
from __future__ import annotations

import json
import time
from typing import Any

from tarn.api import Api, ApiError
from tarn.dbutils.errors import NotebookExit, WorkflowException
from tarn.dbutils.help import Utility


class _Option:
    """Scala's Option as notebooks use it: .get(), .getOrElse(x), .isDefined()."""

    def __init__(self, value: Any):
        self._value = value

    def get(self) -> Any:
        if self._value is None:
            raise ValueError("None.get")
        return self._value

    def getOrElse(self, other: Any) -> Any:
        return other if self._value is None else self._value

    def isDefined(self) -> bool:
        return self._value is not None

    def isEmpty(self) -> bool:
        return self._value is None

    def __str__(self) -> str:
        return "None" if self._value is None else f"Some({self._value})"


class _Tags:
    def __init__(self, tags: dict[str, str]):
        self._tags = tags

    def get(self, name: str) -> _Option:
        return _Option(self._tags.get(name))

    def apply(self, name: str) -> str:
        return self._tags[name]

    def contains(self, name: str) -> bool:
        return name in self._tags


class Context:
    """Where this code runs and for whom."""

    def __init__(self, api: Api, facts: dict[str, Any]):
        self._api, self._facts = api, facts

    def _tag_map(self) -> dict[str, str]:
        f = self._facts
        tags = {"user": f.get("user"), "userId": f.get("user_id"), "orgId": f.get("org_id"), "clusterId": f.get("cluster_id"), "browserHostName": f.get("browser_host"),
                "notebookId": f.get("notebook_id"), "jobId": f.get("job_id"), "runId": f.get("run_id"), "idInJob": f.get("run_id"), "taskKey": f.get("task_key")}
        return {k: str(v) for k, v in tags.items() if v is not None}

    def notebookPath(self) -> _Option:
        return _Option(self._facts.get("notebook_path"))

    def notebookId(self) -> _Option:
        return _Option(self._facts.get("notebook_id"))

    def clusterId(self) -> _Option:
        return _Option(self._facts.get("cluster_id"))

    def userName(self) -> _Option:
        return _Option(self._facts.get("user"))

    def workspaceId(self) -> _Option:
        return _Option(self._facts.get("org_id"))

    def browserHostName(self) -> _Option:
        return _Option(self._facts.get("browser_host"))

    def jobId(self) -> _Option:
        return _Option(self._facts.get("job_id"))

    def currentRunId(self) -> _Option:
        return _Option(self._facts.get("run_id"))

    def apiUrl(self) -> _Option:
        return _Option(self._api.host)

    def apiToken(self) -> _Option:
        return _Option(self._api.token)

    def tags(self) -> _Tags:
        return _Tags(self._tag_map())

    def safeToJson(self) -> str:
        """Everything but the token."""
        extra = {"notebook_path": self._facts.get("notebook_path"), "api_url": self._api.host}
        return json.dumps({"attributes": {**self._tag_map(), **{k: v for k, v in extra.items() if v}}})

    def toJson(self) -> str:
        tags = self._tag_map()
        return json.dumps({"rootRunId": None, "currentRunId": self._facts.get("run_id"), "tags": tags,
                           "extraContext": {"notebook_path": self._facts.get("notebook_path"), "api_url": self._api.host}})


class _EntryPoint:
    """dbutils.notebook.entry_point.getDbutils().notebook().getContext()"""

    def __init__(self, notebook: "Notebook"):
        self._notebook = notebook

    def getDbutils(self) -> "_EntryPoint":
        return self

    def notebook(self) -> "Notebook":
        return self._notebook


class Notebook(Utility):
    """dbutils.notebook ends a notebook with a value and runs others."""

    _name = "notebook"

    def __init__(self, api: Api, facts: dict[str, Any]):
        self._api, self._facts = api, facts
        self.entry_point = _EntryPoint(self)

    def getContext(self) -> Context:
        """Where this code runs: notebookPath(), tags(), apiUrl() …"""
        return Context(self._api, self._facts)

    def exit(self, value: Any) -> None:
        """Ends this notebook; the value, as text, is its result."""
        raise NotebookExit(value if isinstance(value, str) else str(value))

    def run(self, path: str, timeout_seconds: int = 0, arguments: dict[str, Any] | None = None) -> str:
        """Runs another notebook on this cluster and waits for it; what it exits with is the result. timeout_seconds 0: no limit."""
        if not path.startswith("/"):
            here = self._facts.get("notebook_path")
            if not here:
                raise WorkflowException(f"com.databricks.WorkflowException: the relative path {path} needs a notebook that runs it")
            parts: list[str] = here.rsplit("/", 1)[0].split("/")
            for part in path.split("/"):
                if part == "..":
                    parts.pop()
                elif part != ".":
                    parts.append(part)
            path = "/".join(parts)
        parameters = {k: v if isinstance(v, str) else str(v) for k, v in (arguments or {}).items()}
        try:
            run_id = self._api.post("/api/2.2/jobs/runs/submit", run_name=path.rsplit("/", 1)[-1], timeout_seconds=timeout_seconds, tasks=[
                {"task_key": "notebook", "existing_cluster_id": self._facts.get("cluster_id"), "notebook_task": {"notebook_path": path, "base_parameters": parameters}}])["run_id"]
        except ApiError as e:
            raise WorkflowException(f"com.databricks.WorkflowException: {e}") from None
        pause = 0.05
        while True:
            run = self._api.get("/api/2.2/jobs/runs/get", run_id=run_id)
            state = run.get("state", {})
            if state.get("life_cycle_state") in ("TERMINATED", "SKIPPED", "INTERNAL_ERROR"):
                break
            time.sleep(pause)
            pause = min(1.0, pause * 1.5)
        if state.get("result_state") != "SUCCESS":
            raise WorkflowException(f"com.databricks.WorkflowException: com.databricks.NotebookExecutionException: {state.get('result_state') or 'FAILED'}: {state.get('state_message', '')}")
        task = (run.get("tasks") or [{"run_id": run_id}])[0]["run_id"]
        return self._api.get("/api/2.2/jobs/runs/get-output", run_id=task).get("notebook_output", {}).get("result") or ""
