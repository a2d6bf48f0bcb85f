"""How cells are read: SQL in several statements, widgets in it; values as JSON. No server needed."""
import datetime
import decimal
import json
import os
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, os.path.join(ROOT, "python"))
from tarn.dbutils.widgets import Widgets  # noqa: E402
from tarn.driver import display, sqltext  # noqa: E402


@pytest.mark.parametrize("text, parts", [
    ("select 1", ["select 1"]), ("select 1;", ["select 1"]), (" ; ;; ", []), ("", []), ("-- only a comment", []), ("/* ; */", []),
    ("select 1; select 2 -- ; not here\n; select 3", ["select 1", "select 2 -- ; not here", "select 3"]),
    ("select ';', \";\", `;` from t; select 'it''s; \\'x;'", ["select ';', \";\", `;` from t", "select 'it''s; \\'x;'"]),
    ("/* a /* nested ; */ ; */ select 1; select 2", ["/* a /* nested ; */ ; */ select 1", "select 2"]),
    ("begin declare x int default 1; if x = 1 then set x = 2; end if; select x; end; select 1", ["begin declare x int default 1; if x = 1 then set x = 2; end if; select x; end", "select 1"]),
    ("begin while x < 2 do set x = case when true then 2 else 1 end; end while; end", ["begin while x < 2 do set x = case when true then 2 else 1 end; end while; end"]),
    ("begin drop table if exists t; create table if not exists u (a int); end; select 2", ["begin drop table if exists t; create table if not exists u (a int); end", "select 2"])])
def test_statements(text, parts):
    assert sqltext.statements(text) == parts


def test_widgets_in_sql():
    values = {"env": "dev", "n": "5"}
    assert sqltext.with_widgets("select '${env}', $n, '${other}', ${spark.x}", values) == ("select 'dev', 5, '${other}', ${spark.x}", {})
    assert sqltext.with_widgets("select :env, ':n', -- :n\n a::int, m:env, :unknown", values)[1] == {"env": "dev"}
    assert sqltext.widget_statement("CREATE WIDGET DROPDOWN `my w` DEFAULT 'it''s' CHOICES SELECT a FROM t") == ("dropdown", "my w", "it's", "SELECT a FROM t")
    assert sqltext.widget_statement("remove widget x") == ("remove", "x", "", None)
    assert sqltext.widget_statement("create table widget (a int)") is None


def test_parameters_go_before_defaults_and_need_no_definition():
    w = Widgets({"given": "job"})
    assert w.get("given") == "job"
    w.text("given", "default")
    w.text("other", "default")
    assert (w.get("given"), w.get("other"), w.getArgument("none", "x")) == ("job", "default", "x")
    with pytest.raises(ValueError):
        w.dropdown("d", "z", ["a", "b"])
    w.removeAll()
    with pytest.raises(Exception, match="InputWidgetNotDefined"):
        w.get("other")


def test_values_as_json_and_the_limits_of_tables():
    values = [1, True, None, 1.5, float("nan"), decimal.Decimal("1.50"), datetime.datetime(2024, 1, 2, 3, 4, 5, 600000), datetime.date(2024, 1, 2), b"\0", {"a": [1]}, {1: 2}]
    assert [display.cell(v) for v in values] == [1, True, None, 1.5, "NaN", "1.50", "2024-01-02T03:04:05.600", "2024-01-02", "AA==", {"a": [1]}, {"1": 2}]
    json.dumps([display.cell(v) for v in values], allow_nan=False)
    t = display.table([], ([i] for i in range(20_000)))
    assert len(t["rows"]) == 10_000 and t["truncated"]
    t = display.table([], (["x" * 1_000_000] for _ in range(5)))
    assert len(t["rows"]) == 2 and t["truncated"]
