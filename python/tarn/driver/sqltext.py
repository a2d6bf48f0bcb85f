"""SQL text as cells have it: several statements, widgets in it, statements about widgets."""
from __future__ import annotations

import re
from typing import Iterator

_TOKEN = re.compile(
    r"--[^\n]*|/\*|'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`(?:[^`]|``)*`|\$\$(?:.|\n)*?\$\$|;|[A-Za-z_]\w*|\s+|.", re.S)


def _tokens(text: str) -> Iterator[tuple[str, int, int]]:
    at = 0
    while at < len(text):
        m = _TOKEN.match(text, at)
        assert m
        end = m.end()
        if m.group() == "/*":   # comments nest
            depth = 1
            while depth and end < len(text):
                if text.startswith("/*", end):
                    depth, end = depth + 1, end + 2
                elif text.startswith("*/", end):
                    depth, end = depth - 1, end + 2
                else:
                    end += 1
        yield text[at:end], at, end
        at = end


def _is_blank(token: str) -> bool:
    return token.isspace() or token.startswith("--") or token.startswith("/*")


def statements(text: str) -> list[str]:
    """The statements of a cell. A script (BEGIN … END) is one."""
    out: list[str] = []
    start, first, depth, opener = 0, None, 0, ""
    previous = ""
    for token, at, end in _tokens(text):
        if _is_blank(token):
            continue
        word = token.upper()
        if first is None:
            first = word
        if first == "BEGIN":
            # Blocks within a script: what opens one, and the END that closes it.
            if previous != "END" and word in ("BEGIN", "CASE", "IF", "LOOP", "DO", "REPEAT"):
                if not (word == "IF" and previous in ("", "TABLE", "VIEW", "SCHEMA", "DATABASE", "FUNCTION", "CATALOG", "VOLUME", "COLUMN", "VARIABLE")):
                    depth += 1
            elif word == "END":
                depth -= 1
        if token == ";" and depth <= 0:
            if first != ";":
                out.append(text[start:at].strip())
            start, first, depth = end, None, 0
            previous = ""
            continue
        previous = word
    if first is not None and first != ";":
        out.append(text[start:].strip())
    return out


def with_widgets(text: str, values: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Replaces ${name} of widgets (outside of names it knows everything stays) and finds the parameter markers :name that widgets answer."""
    text = re.sub(r"\$\{([\w.\-]+)\}|\$([A-Za-z_]\w*)\b", lambda m: values.get(m.group(1) or m.group(2), m.group(0)), text)
    used: dict[str, str] = {}
    for token, at, _end in _tokens(text):
        if re.fullmatch(r"[A-Za-z_]\w*", token) and at > 0 and text[at - 1] == ":" and not (at > 1 and (text[at - 2] == ":" or text[at - 2].isalnum() or text[at - 2] in "_`)]\"")):
            if token in values:
                used[token] = values[token]
    return text, used


_CREATE = re.compile(r"CREATE\s+WIDGET\s+(TEXT|DROPDOWN|COMBOBOX|MULTISELECT)\s+(`(?:[^`]|``)+`|\w+)\s+DEFAULT\s+('(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\")"
                     r"(?:\s+CHOICES\s+(.*))?\s*", re.I | re.S)
_REMOVE = re.compile(r"REMOVE\s+WIDGET\s+(`(?:[^`]|``)+`|\w+)\s*", re.I)


def _name(text: str) -> str:
    return text[1:-1].replace("``", "`") if text.startswith("`") else text


def widget_statement(text: str) -> tuple[str, str, str, str | None] | None:
    """CREATE WIDGET and REMOVE WIDGET as (kind or "remove", name, default, query of the choices); None for anything else."""
    if m := _CREATE.fullmatch(text):
        default = m.group(3)[1:-1].replace("''", "'") if m.group(3)[0] == "'" else m.group(3)[1:-1]
        return m.group(1).lower(), _name(m.group(2)), default, m.group(4)
    if m := _REMOVE.fullmatch(text):
        return "remove", _name(m.group(1)), "", None
    return None
