#include <doctest/doctest.h>

#include "http/rest_error.h"
#include "workspace/notebook.h"
#include "workspace/object_store.h"
#include "workspace/zip.h"

using namespace tarn::workspace;

namespace {
const char* kPython =
    "# Databricks notebook source\nx = 1\n\n# COMMAND ----------\n\n# MAGIC %md\n# MAGIC # Title\n# MAGIC\n# MAGIC body\n\n# COMMAND ----------\n\n"
    "# DBTITLE 1,Named\n# MAGIC %sql\n# MAGIC select 1\n\n# COMMAND ----------\n\n# MAGIC %md hello\n\n# COMMAND ----------\n\nif x:\n    y = 2";
}

TEST_CASE("SOURCE becomes cells and SOURCE again") {
  Notebook n = read_source(kPython, Language::kPython);
  REQUIRE(n.cells.size() == 5);
  CHECK(n.cells[1].source == "%md\n# Title\n\nbody");
  CHECK(n.cells[2].title == "Named");
  CHECK(n.cells[2].source == "%sql\nselect 1");
  CHECK(write_source(n) == kPython);
  CHECK(write_source(read_source(std::string("\xef\xbb\xbf") + kPython + "\n", Language::kPython)) == kPython);
  CHECK_THROWS_AS(read_source("\xff", Language::kPython), tarn::http::RestError);
}

TEST_CASE("the other formats carry the same notebook") {
  Notebook n = read_source(kPython, Language::kPython);
  CHECK(write_source(read_jupyter(write_jupyter(n, "n"))) == kPython);
  CHECK(write_source(read_dbc_notebook(write_dbc_notebook(n, "n"))) == kPython);
  CHECK(write_source(read_html(write_html(n, "n"))) == kPython);
  CHECK(write_source(restore(store(n))) == kPython);
  for (const char* bad : {"", "[]", "{}", "{\"cells\": 1}", "{\"cells\": [1]}"}) CHECK_THROWS_AS(read_jupyter(bad), tarn::http::RestError);
}

TEST_CASE("archives are read by their directory, and only if nothing leaves them") {
  std::vector<ZipEntry> entries = {{"a/", ""}, {"a/b.txt", std::string(100'000, 'x')}, {"ü", ""}};
  std::string zip = write_zip(entries);
  auto back = read_zip(zip, 1 << 20);
  REQUIRE(back.size() == 3);
  CHECK(back[1].content == entries[1].content);
  CHECK(back[2].name == "ü");
  CHECK_THROWS_AS(read_zip(zip, 1000), tarn::http::RestError);
  for (const char* name : {"../x", "/x", "a/../../x", "a\\b", "./x", "a//b"}) CHECK_THROWS_AS(read_zip(write_zip({{name, "1"}}), 1000), tarn::http::RestError);
  for (size_t n = 0; n < zip.size(); n += 7) CHECK_THROWS_AS(read_zip(zip.substr(0, n), 1 << 20), tarn::http::RestError);
}

TEST_CASE("paths have one form") {
  CHECK(normal_path("/Workspace/Shared//a/") == "/Shared/a");
  CHECK(normal_path("/Workspace") == "/");
  CHECK(normal_path("/Shared/Workspace/x") == "/Shared/Workspace/x");
  for (const char* bad : {"", "a", "/a/../b", "/./a", "/a\n"}) CHECK_THROWS_AS(normal_path(bad), tarn::http::RestError);
}
