"""dbutils.widgets: parameters of a notebook. Values are texts."""
from __future__ import annotations

from tarn.dbutils.errors import InputWidgetNotDefined
from tarn.dbutils.help import Utility


class Widgets(Utility):
    """dbutils.widgets defines parameters of a notebook and reads them. A job's or a caller's parameters go before defaults."""

    _name = "widgets"

    def __init__(self, parameters: dict[str, str] | None = None):
        self._parameters = dict(parameters or {})   # given from outside: also without a definition
        self._values: dict[str, str] = {}
        self._defined: dict[str, dict] = {}

    def _define(self, kind: str, name: str, default: str, choices: list[str] | None, label: str | None) -> None:
        if not name:
            raise ValueError("a widget needs a name")
        if choices is not None:
            choices = [str(c) for c in choices]
            if kind in ("dropdown", "multiselect") and default not in choices:
                raise ValueError(f"The default value {default!r} of the widget {name} is not one of its choices")
        known = self._defined.get(name)
        self._defined[name] = {"widgetType": kind, "name": name, "defaultValue": default, "label": label, "choices": choices}
        # Defined again the same way, it keeps what was entered.
        if known is None or known["widgetType"] != kind or known["choices"] != choices:
            self._values[name] = self._parameters.get(name, default)

    def text(self, name: str, defaultValue: str, label: str | None = None) -> None:
        """A field for text."""
        self._define("text", name, str(defaultValue), None, label)

    def dropdown(self, name: str, defaultValue: str, choices: list[str], label: str | None = None) -> None:
        """One of several values."""
        self._define("dropdown", name, str(defaultValue), choices, label)

    def combobox(self, name: str, defaultValue: str, choices: list[str], label: str | None = None) -> None:
        """One of several values or another."""
        self._define("combobox", name, str(defaultValue), choices, label)

    def multiselect(self, name: str, defaultValue: str, choices: list[str], label: str | None = None) -> None:
        """Any of several values, as a text with commas."""
        self._define("multiselect", name, str(defaultValue), choices, label)

    def get(self, name: str) -> str:
        """The value of a widget; an error if there is none and no parameter of this name was given."""
        if name in self._defined:
            return self._values[name]
        if name in self._parameters:
            return self._parameters[name]
        raise InputWidgetNotDefined(name)

    def getAll(self) -> dict[str, str]:
        """The values of all widgets."""
        return {**self._parameters, **self._values}

    def getArgument(self, name: str, defaultValue: str | None = None) -> str | None:
        """As get, with a value for the case that there is no such widget."""
        try:
            return self.get(name)
        except InputWidgetNotDefined:
            return defaultValue

    def remove(self, name: str) -> None:
        """Removes a widget."""
        if name not in self._defined:
            raise InputWidgetNotDefined(name)
        del self._defined[name], self._values[name]

    def removeAll(self) -> None:
        """Removes all widgets."""
        self._defined.clear()
        self._values.clear()
