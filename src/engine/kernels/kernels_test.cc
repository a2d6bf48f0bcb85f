#include <doctest/doctest.h>

#include <set>

#include "duckdb.hpp"
#include "engine/kernels/cast_table.h"
#include "engine/kernels/kernels.h"
#include "plan/function.h"

using tarn::engine::kernels::cast_sql;
using tarn::plan::DataType;
using tarn::plan::EvalMode;
using tarn::plan::TypeId;

namespace {

struct Db {
  duckdb::DuckDB db{nullptr};
  duckdb::Connection c{db};
  Db() { tarn::engine::kernels::register_kernels(*db.instance); }
  // The value as text, "NULL", or the condition of the error.
  std::string operator()(const std::string& expression) {
    auto r = c.Query("SELECT " + expression);
    if (r->HasError()) {
      std::string e = r->GetError();
      size_t at = e.find("\"condition\":\"");
      return at == std::string::npos ? e : e.substr(at + 13, e.find('"', at + 13) - at - 13);
    }
    auto v = r->GetValue(0, 0);
    return v.IsNull() ? "NULL" : v.ToString();
  }
  std::string cast(const std::string& x, const DataType& from, const DataType& to, EvalMode mode = EvalMode::kAnsi) {
    return (*this)(cast_sql(from, to, mode, x, "'America/Los_Angeles'"));
  }
};
Db& db() {
  static Db d;
  return d;
}
DataType dec(int p, int s) { return DataType::decimal(p, s); }

}  // namespace

TEST_CASE("every kernel that a function template names is registered") {
  auto names = db().c.Query("SELECT DISTINCT function_name FROM duckdb_functions()");
  std::set<std::string> known;
  for (size_t i = 0; i < names->RowCount(); ++i) known.insert(names->GetValue(0, i).ToString());
  for (const auto* f : tarn::plan::all_function_entries())
    for (std::string_view text : {f->lowering, f->lowering_legacy, f->lowering_try})
      for (size_t at = 0; (at = text.find("spark_", at)) != std::string_view::npos;) {
        size_t e = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789", at);
        std::string kernel(text.substr(at, e - at));
        CHECK_MESSAGE(known.contains(kernel), kernel, " of ", f->names);
        at = e;
      }
}

TEST_CASE("strings become numbers as UTF8String and Java read them") {
  const DataType s = TypeId::kString;
  CHECK(db().cast("' 12 '", s, TypeId::kInt) == "12");
  CHECK(db().cast("'1.5'", s, TypeId::kInt) == "CAST_INVALID_INPUT");
  CHECK(db().cast("'1.5'", s, TypeId::kInt, EvalMode::kLegacy) == "1");
  CHECK(db().cast("'x'", s, TypeId::kInt, EvalMode::kTry) == "NULL");
  CHECK(db().cast("'128'", s, TypeId::kByte) == "CAST_INVALID_INPUT");
  CHECK(db().cast("'1e3'", s, TypeId::kDouble) == "1000.0");
  CHECK(db().cast("'-inf'", s, TypeId::kDouble) == "-inf");
  CHECK(db().cast("'1.0d'", s, TypeId::kDouble) == "1.0");
  CHECK(db().cast("'12.345'", s, dec(4, 2)) == "12.35");
  CHECK(db().cast("'123.45'", s, dec(4, 2)) == "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION");
  CHECK(db().cast("'yes'", s, TypeId::kBoolean) == "true");
}

TEST_CASE("numbers become other numbers with Spark's overflow rules") {
  CHECK(db().cast("300::INTEGER", TypeId::kInt, TypeId::kByte) == "CAST_OVERFLOW");
  CHECK(db().cast("300::INTEGER", TypeId::kInt, TypeId::kByte, EvalMode::kLegacy) == "44");
  CHECK(db().cast("1e20::DOUBLE", TypeId::kDouble, TypeId::kLong, EvalMode::kLegacy) == "9223372036854775807");
  CHECK(db().cast("2.9::DOUBLE", TypeId::kDouble, TypeId::kInt) == "2");
  CHECK(db().cast("2.675::DOUBLE", TypeId::kDouble, dec(10, 2)) == "2.68");
  CHECK(db().cast("1.25::DECIMAL(3,2)", dec(3, 2), dec(3, 1)) == "1.3");
  CHECK(db().cast("12.9::DECIMAL(3,1)", dec(3, 1), TypeId::kInt) == "12");
}

TEST_CASE("values become text as Spark shows them") {
  CHECK(db().cast("1e10::DOUBLE", TypeId::kDouble, TypeId::kString) == "1.0E10");
  CHECK(db().cast("0.5::FLOAT", TypeId::kFloat, TypeId::kString) == "0.5");
  CHECK(db().cast("[1, NULL]", DataType::array(TypeId::kInt), TypeId::kString) == "[1, null]");
  CHECK(db().cast("MAP {'a': 1.0::DOUBLE}", DataType::map(TypeId::kString, TypeId::kDouble), TypeId::kString) == "{a -> 1.0}");
  CHECK(db().cast("TIMESTAMPTZ '2020-07-01 10:00:00.5+00'", TypeId::kTimestamp, TypeId::kString) == "2020-07-01 03:00:00.5");
  CHECK(db().cast("DATE '2020-01-01'", TypeId::kDate, TypeId::kTimestamp).find("2020-01-01 08:00:00") == 0);
}

TEST_CASE("nested casts go element by element") {
  CHECK(db().cast("['1', '2']", DataType::array(TypeId::kString), DataType::array(TypeId::kInt)) == "[1, 2]");
  auto from = DataType::structure({tarn::plan::make_field("a", TypeId::kString)}), to = DataType::structure({tarn::plan::make_field("b", TypeId::kInt)});
  CHECK(db().cast("{'a': '7'}", from, to) == "{'b': 7}");
}

TEST_CASE("decimal arithmetic is exact and checked") {
  CHECK(db()("spark_decimal_multiply(1.5::DECIMAL(2,1), 2.25::DECIMAL(3,2), 6, 3, 'ansi')") == "3.375");
  CHECK(db()("spark_decimal_divide(1::DECIMAL(1,0), 3::DECIMAL(1,0), 7, 6, 'ansi')") == "0.333333");
  CHECK(db()("spark_decimal_divide(1::DECIMAL(1,0), 0::DECIMAL(1,0), 7, 6, 'ansi')") == "DIVIDE_BY_ZERO");
  CHECK(db()("spark_decimal_divide(1::DECIMAL(1,0), 0::DECIMAL(1,0), 7, 6, 'legacy')") == "NULL");
  CHECK(db()("spark_decimal_add(99999999999999999999999999999999999999::DECIMAL(38,0), 1::DECIMAL(1,0), 38, 0, 'ansi')") == "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION");
  CHECK(db()("spark_round_decimal(2.5::DECIMAL(2,1), 0, 2, 0, 'half_even', 'ansi')") == "2");
}

TEST_CASE("decimal loops over native integers agree with the general ones") {
  // Columns, not constants: flat and dictionary vectors, nulls, both signs, every width that has a loop.
  auto sum = [](const std::string& a, const std::string& b, const std::string& f, const std::string& result) {
    return db()("sum(hash(CAST(" + f + "(a, b, " + result + ", 'ansi') AS VARCHAR))) FROM (SELECT CAST(CASE WHEN range % 7 > 0 THEN (range - 500) / 3.0 END AS " + a +
                ") a, CAST((400 - range) / 7.0 AS " + b + ") b FROM range(3000) WHERE range < 990)");
  };
  // One of these result types is exact and has a loop, the other is too narrow to be provably exact and takes the general way.
  CHECK(sum("DECIMAL(15,2)", "DECIMAL(15,2)", "spark_decimal_multiply", "31, 4") == sum("DECIMAL(15,2)", "DECIMAL(15,2)", "spark_decimal_multiply", "29, 4"));
  CHECK(sum("DECIMAL(9,2)", "DECIMAL(9,3)", "spark_decimal_multiply", "18, 5") == sum("DECIMAL(9,2)", "DECIMAL(9,3)", "spark_decimal_multiply", "17, 5"));
  CHECK(sum("DECIMAL(9,2)", "DECIMAL(15,3)", "spark_decimal_add", "16, 3") == sum("DECIMAL(9,2)", "DECIMAL(15,3)", "spark_decimal_add", "15, 3"));
  CHECK(sum("DECIMAL(38,2)", "DECIMAL(15,4)", "spark_decimal_multiply", "38, 6") == sum("DECIMAL(20,2)", "DECIMAL(15,4)", "spark_decimal_multiply", "34, 6"));
  CHECK(sum("DECIMAL(20,2)", "DECIMAL(9,4)", "spark_decimal_subtract", "23, 4") == sum("DECIMAL(20,2)", "DECIMAL(9,4)", "spark_decimal_subtract", "22, 4"));
  CHECK(db()("spark_decimal_subtract(1::DECIMAL(1,0), x, 16, 2, 'ansi') FROM (SELECT 0.07::DECIMAL(15,2) x)") == "0.93");
  // Products beyond 38 digits.
  const std::string big = " FROM (SELECT 1e20::DECIMAL(32,4) a, 1e13::DECIMAL(16,2) b)";
  CHECK(db()("spark_decimal_multiply(a, b, 38, 6, 'ansi')" + big) == "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION");
  CHECK(db()("spark_decimal_multiply(a, b, 38, 6, 'legacy')" + big) == "NULL");
  CHECK(db()("spark_sum_decimal(sum(x), 15, 2, 'ansi') FROM (SELECT unnest([1.25, NULL, 2.5])::DECIMAL(5,2) x)") == "3.75");
  CHECK(db()("spark_sum_decimal(sum(x), 38, 0, 'legacy') FROM (SELECT 9e37::DECIMAL(38,0) x FROM range(1))") != "NULL");
}

TEST_CASE("rounding takes the decimal text of a number") {
  CHECK(db()("spark_round(2.675::DOUBLE, 2, 'ansi')") == "2.68");   // the double lies below the half, its text on it
  CHECK(db()("spark_round(0.125::DOUBLE, 2, 'ansi')") == "0.13");
  CHECK(db()("spark_bround(0.125::DOUBLE, 2, 'ansi')") == "0.12");
  CHECK(db()("spark_round(2.5::DOUBLE, 0, 'ansi')") == "3.0");
  CHECK(db()("spark_round(-1.005::DOUBLE, 2, 'ansi')") == "-1.01");
  CHECK(db()("spark_round(0.1::DOUBLE, 15, 'ansi')") == "0.1");
  CHECK(db()("spark_round(123456789.123456::DOUBLE, 3, 'ansi')") == "123456789.123");
  CHECK(db()("spark_round(1e300::DOUBLE, 2, 'ansi')") == "1e+300");
}

TEST_CASE("one compiled expression serves rows of any text") {
  CHECK(db()("string_agg(spark_regexp_replace(x, '[0-9]+', '#', 1), ',') FROM (SELECT unnest(['a1', 'é22', '', 'plain', '3😀4']) x)") == "a#,é#,,plain,#😀#");
  CHECK(db()("string_agg(spark_regexp_extract(x, '(.)([0-9])', 1), ',') FROM (SELECT unnest(['a1', 'é22', 'none', '😀4']) x)") == "a,é,,😀");
  CHECK(db()("spark_reverse('añ😀b')") == "b😀ña");
  CHECK(db()("string_agg(spark_md5(x::BLOB), ',') FROM (SELECT unnest(['', 'abc', '']) x)") == "d41d8cd98f00b204e9800998ecf8427e,900150983cd24fb0d6963f7d28e17f72,d41d8cd98f00b204e9800998ecf8427e");
  CHECK(db()("spark_sha1('abc'::BLOB) || spark_md5('abc'::BLOB)") == "a9993e364706816aba3e25717850c26c9cd0d89d900150983cd24fb0d6963f7d28e17f72");
}

TEST_CASE("mathematical functions answer as Java's") {
  CHECK(db()("isnan(spark_sqrt(-1))") == "true");
  CHECK(db()("spark_ln(0)") == "NULL");
  CHECK(db()("spark_round(2.5::DOUBLE, 0, 'ansi')") == "3.0");
  CHECK(db()("spark_bround(2.5::DOUBLE, 0, 'ansi')") == "2.0");
  CHECK(db()("spark_round(-1234.5678::DOUBLE, -2, 'ansi')") == "-1200.0");
  CHECK(db()("spark_pmod(-7, 3)") == "2");
  CHECK(db()("spark_conv('-10', 16, -10, 'ansi')") == "-16");
  CHECK(db()("spark_hex(-1::BIGINT)") == "FFFFFFFFFFFFFFFF");
  CHECK(db()("spark_factorial(20)") == "2432902008176640000");
  CHECK(db()("spark_remainder(1, 0)") == "REMAINDER_BY_ZERO");
}

TEST_CASE("string functions count code points") {
  CHECK(db()("spark_substring('Spark SQL', 5, 1)") == "k");
  CHECK(db()("spark_substring('Spark SQL', -3, 2147483647)") == "SQL");
  CHECK(db()("spark_length('äöü')") == "3");
  CHECK(db()("spark_upper('straße')") == "STRASSE");
  CHECK(db()("spark_initcap('sPark sql')") == "Spark Sql");
  CHECK(db()("spark_lpad('hi', 5, 'ab')") == "abahi");
  CHECK(db()("spark_substring_index('www.apache.org', '.', -2)") == "apache.org");
  CHECK(db()("spark_overlay('Spark SQL', '_', 6, -1)") == "Spark_SQL");
  CHECK(db()("spark_translate('AaBbCc', 'abc', '123')") == "A1B2C3");
  CHECK(db()("spark_locate('bar', 'foobarbar', 5)") == "7");
  CHECK(db()("spark_split('oneAtwoBthreeC', '[ABC]', -1)") == "[one, two, three, '']");
  CHECK(db()("spark_regexp_extract('100-200', '(\\d+)-(\\d+)', 1)") == "100");
  CHECK(db()("spark_regexp_replace('100-200', '(\\d+)', 'num', 1)") == "num-num");
  CHECK(db()("spark_like('Spark', '_park', '\\')") == "true");
  CHECK(db()("spark_soundex('Miller')") == "M460");
  CHECK(db()("spark_format_number(12332.123456::DOUBLE, 4)") == "12,332.1235");
  CHECK(db()("spark_base64('Spark SQL'::BLOB)") == "U3BhcmsgU1FM");
}

TEST_CASE("hashes equal Spark's") {
  CHECK(db()("spark_hash(42, ['\"string\"', '{\"type\":\"array\",\"elementType\":\"integer\",\"containsNull\":true}', '\"integer\"'], 'Spark', [123], 2)") == "-1321691492");
  CHECK(db()("spark_xxhash64(42, ['\"string\"', '{\"type\":\"array\",\"elementType\":\"integer\",\"containsNull\":true}', '\"integer\"'], 'Spark', [123], 2)") == "5602566077635097486");
  CHECK(db()("spark_md5('Spark'::BLOB)") == "8cde774d6f7333752ed72cacddb05126");
  CHECK(db()("spark_crc32('Spark'::BLOB)") == "1557323817");
}

TEST_CASE("datetime functions follow the zone") {
  CHECK(db()("spark_add_months(DATE '2016-08-31', 1)") == "2016-09-30");
  CHECK(db()("spark_months_between(TIMESTAMPTZ '1997-02-28 10:30:00+00', TIMESTAMPTZ '1996-10-30 00:00:00+00', true, 'UTC')") == "3.94959677");
  CHECK(db()("spark_next_day(DATE '2015-01-14', 'TU', 'ansi')") == "2015-01-20");
  CHECK(db()("spark_trunc(DATE '2019-08-04', 'week')") == "2019-07-29");
  CHECK(db()("spark_date_format(TIMESTAMPTZ '2016-04-08 00:00:00+00', 'y', 'UTC')") == "2016");
  CHECK(db()("spark_make_date(2019, 2, 30, 'ansi')") == "DATETIME_FIELD_OUT_OF_BOUNDS.WITH_SUGGESTION");
  CHECK(db()("spark_to_day_time('1 02:03:04.5', '\"interval day to second\"', 'ansi')") == "93784500000");
}

TEST_CASE("array functions compare values of any type") {
  CHECK(db()("spark_array_contains([1, 2, 3], 2)") == "true");
  CHECK(db()("spark_array_contains([1, NULL], 2)") == "NULL");
  CHECK(db()("spark_array_distinct([1, 2, 1, NULL, NULL])") == "[1, 2, NULL]");
  CHECK(db()("spark_array_union([1, 2], [2, 3])") == "[1, 2, 3]");
  CHECK(db()("spark_array_except([1, 2, 3], [1, 3, 5])") == "[2]");
  CHECK(db()("spark_sort_array(['b', NULL, 'a'], true)") == "[NULL, a, b]");
  CHECK(db()("spark_array_sort([3, NULL, 1])") == "[1, 3, NULL]");
  CHECK(db()("spark_slice([1, 2, 3, 4], -2, 2)") == "[3, 4]");
  CHECK(db()("spark_array_insert([1, 2, 3], 5, 4)") == "[1, 2, 3, NULL, 4]");
  CHECK(db()("spark_flatten([[1, 2], [3]])") == "[1, 2, 3]");
  CHECK(db()("spark_sequence(1, 5, 2)") == "[1, 3, 5]");
  CHECK(db()("spark_element_at([1, 2], 3)") == "INVALID_ARRAY_INDEX_IN_ELEMENT_AT");
  CHECK(db()("spark_map('EXCEPTION', 1, 'a', 1, 'b')") == "DUPLICATED_MAP_KEY");
  CHECK(db()("spark_map('LAST_WIN', 1, 'a', 1, 'b')") == "{1=b}");
}

TEST_CASE("JSON comes in and goes out") {
  CHECK(db()("spark_get_json_object('{\"a\":\"b\"}', '$.a')") == "b");
  CHECK(db()("spark_get_json_object('[{\"a\":1},{\"a\":2}]', '$[*].a')") == "[1,2]");
  CHECK(db()("spark_from_json('{\"a\":1, \"b\":0.8}', '{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":\"integer\",\"nullable\":true,\"metadata\":{}},{\"name\":\"b\",\"type\":\"double\",\"nullable\":true,\"metadata\":{}}]}', MAP {}, 'UTC', 'ansi')") == "{'a': 1, 'b': 0.8}");
  CHECK(db()("spark_to_json({'a': 1, 'b': NULL::INTEGER}, '{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":\"integer\",\"nullable\":true,\"metadata\":{}},{\"name\":\"b\",\"type\":\"integer\",\"nullable\":true,\"metadata\":{}}]}', MAP {}, 'UTC')") == "{\"a\":1}");
  CHECK(db()("spark_schema_of_json('[{\"col\":0}]', MAP {})") == "ARRAY<STRUCT<col: BIGINT>>");
}

TEST_CASE("aggregates of moments") {
  CHECK(db()("spark_stddev_samp(x) FROM (VALUES (1), (2), (3)) t(x)") == "1.0");
  CHECK(db()("spark_stddev_samp(x) FROM (VALUES (1)) t(x)") == "NULL");
  CHECK(db()("round(spark_skewness(x), 6) FROM (VALUES (-10), (-20), (100), (1000)) t(x)") == "1.113566");
  CHECK(db()("round(spark_kurtosis(x), 6) FROM (VALUES (1), (10), (100), (10), (1)) t(x)") == "0.194323");
  CHECK(db()("spark_corr(x, y) FROM (VALUES (3, 2), (3, 3), (6, 4)) t(x, y)").substr(0, 12) == "0.8660254037");
}

TEST_CASE("no bucket or window size divides by zero or overflows") {
  CHECK(db()("spark_time_bucket(0::BIGINT, TIMESTAMP '2024-01-01 11:00:00', TIMESTAMP '1970-01-01', 'UTC')") == "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE");
  CHECK(db()("spark_time_bucket((-1)::BIGINT, TIMESTAMP '2024-01-01 11:00:00', TIMESTAMP '1970-01-01', 'UTC')") == "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE");
  CHECK(db()("spark_time_bucket(0::INTEGER, TIMESTAMP '2024-01-01 11:00:00', TIMESTAMP '1970-01-01', 'UTC')") == "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE");
  CHECK(db()("spark_time_bucket(900000000::BIGINT, TIMESTAMP '2024-01-01 11:27:00', TIMESTAMP '1970-01-01', 'UTC')") == "2024-01-01 11:15:00");
  CHECK(db()("spark_time_bucket(3::INTEGER, TIMESTAMP '1969-05-15 10:00:00', TIMESTAMP '1970-01-01', 'UTC')") == "1969-04-01 00:00:00");
  CHECK(db()("len(spark_time_windows(TIMESTAMP '2024-01-01 00:04:00', 720000000::BIGINT, 300000000::BIGINT, 0::BIGINT))") == "2");
  CHECK(db()("len(spark_time_windows(TIMESTAMP '2024-01-01 00:02:00', 720000000::BIGINT, 300000000::BIGINT, 120000000::BIGINT))") == "3");
  CHECK(db()("spark_time_window(TIMESTAMP '1969-12-31 23:59:00', 300000000::BIGINT, 0::BIGINT).start") == "1969-12-31 23:55:00");
}

TEST_CASE("seeded random numbers are Spark's and start anew in each query") {
  for (int times = 0; times < 2; ++times) {
    CHECK(db()("spark_rand(0)") == "0.7604953758285915");
    CHECK(db()("spark_randn(0)") == "1.6034991609278433");
    CHECK(db()("spark_randstr(10, 0)") == "ceV0PXaR2I");
    CHECK(db()("trunc(spark_uniform(-20, -10, -10))") == "-17.0");
  }
  CHECK(db()("spark_rand(NULL)") == "0.7604953758285915");
}
