"""Runs code in one namespace that lasts, and says what came of it."""
from __future__ import annotations

import ast
import builtins
import importlib
import linecache
import os
import shlex
import subprocess
import sys
import textwrap
import traceback
import types
from typing import Any, Callable

from tarn.api import Api
from tarn.dbutils import DBUtils
from tarn.dbutils.errors import NotebookExit, RestartPython
from tarn.driver import display as shown
from tarn.driver import sqltext

_HERE = os.path.dirname(os.path.abspath(__file__))


class Cell:
    """The end of one piece of code: ok, error, exit, interrupted or restart."""

    def __init__(self, status: str, **more: Any):
        self.message = {"status": status, **more}


class Repl:
    """send(message) takes what is shown while code runs."""

    def __init__(self, hello: dict[str, Any], send: Callable[[dict[str, Any]], None]):
        self._send = send
        self._count = 0
        self.facts: dict[str, Any] = dict(hello.get("facts") or {})
        self.dbutils = DBUtils(Api(hello["host"], hello["token"]), self.facts, hello.get("parameters"), self.display, send)
        self._remote = hello.get("remote")
        self._spark: Any = None
        # Code is in __main__, as in a program of one's own: what it defines can be pickled by reference to it.
        self.module = types.ModuleType("__main__")
        self.module.__dict__.update({"__builtins__": builtins, "dbutils": self.dbutils, "display": self.display, "displayHTML": self.display_html,
                                     "getArgument": self.dbutils.widgets.getArgument})
        sys.modules["__main__"] = self.module
        sys.ps1 = ">>> "   # to libraries this is an interactive session; without __file__ and this pyspark believes that it is being tested
        if self._remote:
            self._connect()
        import dbruntime

        dbruntime.Namespace.getOrCreate().namespace = self.module.__dict__

    @property
    def namespace(self) -> dict[str, Any]:
        return self.module.__dict__

    def _connect(self) -> None:
        from pyspark.sql import SparkSession
        from pyspark.sql.functions import udf

        # Code that asks for "the" session gets this one.
        os.environ["SPARK_REMOTE"] = self._remote
        spark = SparkSession.builder.remote(self._remote).getOrCreate()
        self._spark = spark
        self.namespace.update(spark=spark, sql=spark.sql, table=spark.table, udf=udf, sqlContext=_SqlContext(spark))

    # ---- what is shown

    def display(self, value: Any = None, *args: Any, **kwargs: Any) -> None:
        """Shows a DataFrame as a table, a figure as an image, anything else as well as it can be shown."""
        if value is not None:
            self._send({"type": "output", **shown.rendered(value, self._spark)})

    def display_html(self, html: str) -> None:
        """Shows HTML."""
        self._send({"type": "output", "kind": "html", "data": str(html)})

    # ---- what is run

    def run(self, language: str, code: str) -> Cell:
        """Runs one cell. Raises nothing, unless it is interrupted twice."""
        try:
            language, code = self._magic(language, textwrap.dedent(code))
            {"python": self._python, "sql": self._sql, "fs": self._fs, "sh": self._sh, "pip": self._pip}[language](code)
            for output in shown.open_figures():
                self._send({"type": "output", **output})
            return Cell("ok")
        except NotebookExit as e:
            return Cell("exit", value=e.value)
        except RestartPython:
            return Cell("restart")
        except KeyboardInterrupt:
            return self._failure("interrupted", KeyboardInterrupt("the command was cancelled"))
        except SystemExit as e:
            if e.code in (None, 0):
                return Cell("ok")
            return self._failure("error", e)
        except BaseException as e:  # noqa: BLE001: whatever the code raises is its result
            return self._failure("error", e)

    def _magic(self, language: str, code: str) -> tuple[str, str]:
        """The language of a cell and its text: the first line may name another language, "%sql"."""
        stripped = code.lstrip()
        if not stripped.startswith("%"):
            return language, code
        first, _, rest = stripped.partition("\n")
        word, _, more = first[1:].partition(" ")
        word = word.strip()
        if word == "sh":
            return word, first[3:] + "\n" + rest   # its options are on the first line
        if word == "pip":
            return word, stripped
        if word in ("python", "sql", "fs"):
            return word, more + "\n" + rest
        if word in ("md", "md-sandbox"):
            return "python", ""
        if word == "matplotlib":   # figures are shown in any case
            return language, rest
        if word in ("scala", "r"):
            raise NotImplementedError(f"%{word} is not supported: cells are Python, SQL, shell, fs or pip")
        if word == "run":
            raise NotImplementedError("%run is not supported in an execution context")
        raise SyntaxError(f"unknown magic %{word}")

    def _python(self, code: str) -> None:
        self._count += 1
        name = f"<command-{self._count}>"
        lines = code.splitlines(keepends=True)
        linecache.cache[name] = (len(code), None, lines, name)   # tracebacks show the code
        tree = ast.parse(code, name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        if tree.body:
            exec(compile(tree, name, "exec"), self.namespace)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), name, "eval"), self.namespace)  # type: ignore[attr-defined]
            if value is not None:
                self.namespace["_"] = value
                self._send({"type": "output", "kind": "value", "data": repr(value)})

    def _sql(self, code: str) -> None:
        if self._spark is None:
            raise RuntimeError("there is no Spark session")
        result = None
        for statement in sqltext.statements(code):
            widget = sqltext.widget_statement(statement)
            if widget:
                self._widget(*widget)
                continue
            statement, args = sqltext.with_widgets(statement, self.dbutils.widgets.getAll())
            result = self._spark.sql(statement, args=args) if args else self._spark.sql(statement)
        self.namespace["_sqldf"] = result
        if result is not None:
            output = shown.spark_table(result)
            self._send({"type": "output", **output})

    def _widget(self, kind: str, name: str, default: str, query: str | None) -> None:
        if kind == "remove":
            self.dbutils.widgets.remove(name)
        elif kind == "text":
            self.dbutils.widgets.text(name, default)
        else:
            choices = [str(row[0]) for row in self._spark.sql(query).collect()] if query else []
            getattr(self.dbutils.widgets, kind)(name, default, choices)

    def _fs(self, code: str) -> None:
        words = shlex.split(code)
        if not words:
            return self.dbutils.fs.help()
        method = getattr(self.dbutils.fs, words[0], None)
        if words[0].startswith("_") or method is None:
            raise ValueError(f"dbutils.fs has no method {words[0]}")
        values: list[Any] = [True if w == "true" else False if w == "false" else w for w in words[1:]]
        if "-r" in values:   # cp -r a b
            values.remove("-r")
            values.append(True)
        result = method(*values)
        if isinstance(result, list):
            self.display(result) if result else None
        elif result is not None:
            print(result)

    def _sh(self, code: str) -> None:
        first, _, rest = code.partition("\n")
        strict = first.split()[:1] == ["-e"]
        script = first.strip()[2:] + "\n" + rest if strict else code
        done = subprocess.run(["bash", *(["-e"] if strict else []), "-c", script.strip("\n")], stdin=subprocess.DEVNULL)
        if strict and done.returncode:
            raise subprocess.CalledProcessError(done.returncode, "%sh -e")

    def _pip(self, code: str) -> None:
        """Lines with %pip, then maybe Python."""
        lines = code.replace("\\\n", " ").split("\n")
        while lines and (not lines[0].strip() or lines[0].lstrip().startswith("%pip")):
            line = lines.pop(0).strip()
            if not line:
                continue
            words = shlex.split(line[len("%pip"):])
            if words and words[0] == "uninstall" and "-y" not in words:
                words.insert(1, "-y")
            done = subprocess.run([sys.executable, "-m", "pip", "--no-input", *words], stdin=subprocess.DEVNULL)
            if done.returncode:
                raise subprocess.CalledProcessError(done.returncode, line)
            importlib.invalidate_caches()
        if rest := "\n".join(lines).strip():
            self._python(rest)

    def _failure(self, status: str, error: BaseException) -> Cell:
        """An error as its user sees it: without the frames of this program."""
        try:
            trace = error.__traceback__
            while trace is not None and os.path.abspath(trace.tb_frame.f_code.co_filename).startswith(_HERE):
                trace = trace.tb_next
            if isinstance(error, SyntaxError) and (error.filename or "").startswith("<command-"):
                trace = None   # the place is in the message; the frames are the compiler's
            text = "".join(traceback.format_exception(type(error), error, trace))
            message = str(error)
        except BaseException as e:  # noqa: BLE001: a class of the user's may fail at this, too
            text = message = f"an exception that cannot be shown ({type(e).__name__})"
        return Cell(status, error={"name": type(error).__name__, "message": message, "traceback": text})

    def cancel_queries(self) -> None:
        """Ends what Spark still does for this context."""
        if self._spark is not None:
            try:
                self._spark.interruptAll()
            except Exception:  # noqa: BLE001: the cluster may be gone
                pass


class _SqlContext:
    """sqlContext of old notebooks, on top of the session."""

    def __init__(self, spark: Any):
        self.sparkSession = spark

    def __getattr__(self, name: str) -> Any:
        catalog = {"cacheTable": "cacheTable", "uncacheTable": "uncacheTable", "clearCache": "clearCache", "dropTempTable": "dropTempView"}
        if name in catalog:
            return getattr(self.sparkSession.catalog, catalog[name])
        return getattr(self.sparkSession, name)

    def setConf(self, key: str, value: str) -> None:
        self.sparkSession.conf.set(key, value)

    def getConf(self, key: str, default: Any = None) -> Any:
        return self.sparkSession.conf.get(key, default)
