"""The utilities of notebooks, over the workspace's REST API.

    from tarn.dbutils import dbutils        # DATABRICKS_HOST and DATABRICKS_TOKEN say which workspace and who
    DBUtils(api)                             # or with a connection of one's own
"""
from __future__ import annotations

from typing import Any, Callable

from tarn.api import Api
from tarn.dbutils.errors import ExecutionError, NotebookExit, RestartPython, WorkflowException
from tarn.dbutils.fs import FileInfo, FileSystem, MountInfo
from tarn.dbutils.more import Credentials, Data, Jobs, Library, TaskValues
from tarn.dbutils.notebook import Notebook
from tarn.dbutils.secrets import Secrets
from tarn.dbutils.widgets import Widgets

__all__ = ["DBUtils", "dbutils", "ExecutionError", "FileInfo", "MountInfo", "NotebookExit", "RestartPython", "WorkflowException"]


class DBUtils:
    """fs, secrets, widgets, notebook, library, jobs, data and credentials; each has help()."""

    def __init__(self, api: Any = None, facts: dict[str, Any] | None = None, parameters: dict[str, str] | None = None,
                 display: Callable[[Any], None] | None = None, send: Callable[[dict], None] | None = None):
        # DBUtils(spark) is how libraries that run in notebooks make theirs: the session says nothing that is needed here.
        self._api = api if isinstance(api, Api) else Api()
        facts = {} if facts is None else facts
        self.fs = FileSystem(self._api)
        self.secrets = Secrets(self._api)
        self.widgets = Widgets(parameters)
        self.notebook = Notebook(self._api, facts)
        self.library = Library()
        self.jobs = Jobs(TaskValues(facts, send))
        self.data = Data(display)
        self.credentials = Credentials()

    @property
    def entry_point(self):
        return self.notebook.entry_point

    def help(self, name: str = "") -> None:
        """Lists the utilities, or shows the help of one."""
        if name:
            return getattr(self, name).help()
        lines = ["This module provides the utilities of notebooks.", ""]
        for n in ("credentials", "data", "fs", "jobs", "library", "notebook", "secrets", "widgets"):
            lines.append(f"{n}: {(type(getattr(self, n)).__doc__ or '').splitlines()[0]}")
        lines.append('\nFor more about one: dbutils.fs.help()')
        print("\n".join(lines))


dbutils = DBUtils()
