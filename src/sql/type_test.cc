#include <doctest/doctest.h>

#include "base/spark_error.h"
#include "sql/parser.h"
#include "sql/show_tree.h"

using tarn::SparkError;
using tarn::sql::testing::show;

namespace {
std::string type(std::string_view sql) { return show(tarn::sql::parse_data_type(sql)); }
std::string schema(std::string_view sql) { return show(tarn::sql::parse_table_schema(sql)); }
template <class F>
std::string condition(F f) {
  try {
    f();
  } catch (const SparkError& e) {
    return e.condition();
  }
  return "OK";
}
}  // namespace

TEST_CASE("data types by all their names") {
  CHECK(type("int") == "int");
  CHECK(type("LONG") == "bigint");
  CHECK(type("real") == "float");
  CHECK(type("decimal") == "decimal(10,0)");
  CHECK(type("NUMERIC(5)") == "decimal(5,0)");
  CHECK(type("dec(5, 2)") == "decimal(5,2)");
  CHECK(type("char(3)") == "char(3)");
  CHECK(type("string collate unicode") == "string collate unicode");
  CHECK(type("timestamp") == "timestamp");
  CHECK(type("timestamp without time zone") == "timestamp_ntz");
  CHECK(type("time(3)") == "time(3)");
  CHECK(type("interval") == "interval");
  CHECK(type("interval year to month") == "ym 0-1");
  CHECK(type("interval hour to second") == "dt 1-3");
  CHECK(type("array<map<string,array<int>>>") == "array<map<string,array<int>>>");
  CHECK(type("struct<a: int, b string not null comment 'x\"y'>") == R"(struct<a:int,b:string not null {"comment":"x\"y"}>)");
  CHECK(type("struct<>") == "struct<>");
  CHECK(type("void") == "void");
  CHECK(type("variant") == "variant");
  CHECK(type("geometry(4326)") == "geometry(4326)");
  CHECK(type("geography(any)") == "geography(-1)");
}

TEST_CASE("type errors") {
  auto of = [](const char* sql) {
    return condition([&] { tarn::sql::parse_data_type(sql); });
  };
  CHECK(of("char") == "DATATYPE_MISSING_SIZE");
  CHECK(of("foo(1)") == "UNSUPPORTED_DATATYPE");
  CHECK(of("array") == "INCOMPLETE_TYPE_DEFINITION.ARRAY");
  CHECK(of("map") == "INCOMPLETE_TYPE_DEFINITION.MAP");
  CHECK(of("decimal(39)") == "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION");
  CHECK(of("decimal(2, 3)") == "_LEGACY_ERROR_TEMP_1228");
  CHECK(of("interval second to day") == "PARSE_SYNTAX_ERROR");
  CHECK(of("interval second to minute") == "INVALID_INTERVAL_FORMAT.UNSUPPORTED_FROM_TO_EXPRESSION");
  CHECK(of("int int") == "PARSE_SYNTAX_ERROR");
  CHECK(of("array<int") == "PARSE_SYNTAX_ERROR");
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "array<";
  CHECK(of(deep.c_str()) == "FAILED_TO_PARSE_TOO_COMPLEX");
}

TEST_CASE("table schemas and DDL strings") {
  CHECK(schema("a INT, `b c` STRING NOT NULL COMMENT 'x'") == R"(struct<a:int,b c:string not null {"comment":"x"}>)");
  CHECK(show(tarn::sql::parse_ddl("a INT")) == "struct<a:int>");
  CHECK(show(tarn::sql::parse_ddl("array<int>")) == "array<int>");
  CHECK(show(tarn::sql::parse_ddl("a: int, b: string")) == "struct<a:int,b:string>");
}

TEST_CASE("identifiers") {
  using V = std::vector<std::string>;
  CHECK(tarn::sql::parse_multipart_identifier("a.`b.c`.d") == V{"a", "b.c", "d"});
  CHECK(tarn::sql::parse_table_identifier("db.t") == V{"db", "t"});
  CHECK(condition([] { tarn::sql::parse_table_identifier("a.b.c"); }) == "PARSE_SYNTAX_ERROR");
  CHECK(tarn::sql::parse_attribute_name("a b.`c.d`") == V{"a b", "c.d"});
  CHECK(condition([] { tarn::sql::parse_attribute_name("a.`b"); }) == "INVALID_ATTRIBUTE_NAME_SYNTAX");
  CHECK(condition([] { tarn::sql::parse_attribute_name("a..b"); }) == "INVALID_ATTRIBUTE_NAME_SYNTAX");
  for (const V& parts : {V{"a"}, V{"a", "b c"}, V{"`", "."}, V{"1x", ""}})
    CHECK(tarn::sql::parse_attribute_name(tarn::sql::unparse_identifier(parts)) == parts);
}

TEST_CASE("calendar intervals") {
  auto i = tarn::sql::parse_calendar_interval(" interval 1 year -2 months 3 weeks 4 days 5 hours 6.5 seconds ");
  CHECK(i.months == 10);
  CHECK(i.days == 25);
  CHECK(i.microseconds == 18006500000);
  auto of = [](const char* s) {
    return condition([&] { tarn::sql::parse_calendar_interval(s); });
  };
  CHECK(of("") == "INVALID_INTERVAL_FORMAT.INPUT_IS_EMPTY");
  CHECK(of("1") == "INVALID_INTERVAL_FORMAT.MISSING_UNIT");
  CHECK(of("1 fortnight") == "INVALID_INTERVAL_FORMAT.INVALID_UNIT");
  CHECK(of("1.5 days") == "INVALID_INTERVAL_FORMAT.INVALID_FRACTION");
  CHECK(of("x days") == "INVALID_INTERVAL_FORMAT.UNRECOGNIZED_NUMBER");
  CHECK(of("99999999999 years") == "INVALID_INTERVAL_FORMAT.ARITHMETIC_EXCEPTION");
}
