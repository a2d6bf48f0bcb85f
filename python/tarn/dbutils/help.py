"""help() of the utilities: texts come from the doc comments."""
from __future__ import annotations

import inspect


class Utility:
    """Base of the utilities: help() lists the methods, help("name") explains one."""

    _name = ""

    def help(self, method: str = "") -> None:
        """Shows what this utility can do, or what one method does."""
        if method:
            found = getattr(type(self), method, None)
            if method.startswith("_") or not callable(found):
                raise ValueError(f"dbutils.{self._name} has no method {method}")
            print(f"{_shown(method, found)}\n\n{inspect.getdoc(found) or ''}")
            return
        lines = [inspect.getdoc(type(self)) or "", ""]
        for name, value in inspect.getmembers(type(self), callable):
            if not name.startswith("_"):
                lines.append(f"{_shown(name, value)} -> {(inspect.getdoc(value) or '').splitlines()[0]}")
        lines.append(f'\nFor more about a method: dbutils.{self._name}.help("methodName")')
        print("\n".join(lines))


def _shown(name: str, function) -> str:
    try:
        signature = inspect.signature(function)
        parameters = [str(p) for n, p in signature.parameters.items() if n != "self"]
        return f"{name}({', '.join(parameters)})"
    except (TypeError, ValueError):
        return name + "(…)"
