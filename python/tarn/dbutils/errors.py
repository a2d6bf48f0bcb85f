"""What the utilities raise."""


class ExecutionError(Exception):
    """A utility could not do it. The text names the Java exception that notebooks look for, as they inspect str(e)."""


class NotebookExit(BaseException):
    """dbutils.notebook.exit: ends the notebook with a value. No Exception, so that handlers in the notebook let it pass."""

    def __init__(self, value: str):
        super().__init__(value)
        self.value = value


class WorkflowException(Exception):
    """A notebook that was run failed or took too long."""


class RestartPython(BaseException):
    """dbutils.library.restartPython: the process is replaced by a new one."""


class InputWidgetNotDefined(ExecutionError):
    def __init__(self, name: str):
        super().__init__(f"com.databricks.dbutils_v1.InputWidgetNotDefined: No input widget named {name} is defined")
