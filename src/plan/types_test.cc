#include "plan/types.h"

#include <doctest/doctest.h>
#include <spark/connect/types.pb.h>

#include "base/spark_error.h"

using namespace tarn::plan;

namespace {
DataType sample() {
  return DataType::structure({make_field("a", TypeId::kInt, false, R"({"comment":"it's"})"),
                              make_field("b c", DataType::array(DataType::structure({make_field("x", TypeId::kByte)}), false)),
                              make_field("m", DataType::map(TypeId::kString, DataType::decimal(10, 2)))});
}
}  // namespace

TEST_CASE("types print as Spark's catalogString, sql and DDL") {
  CHECK(sample().catalog_string() == "struct<a:int,b c:array<struct<x:tinyint>>,m:map<string,decimal(10,2)>>");
  CHECK(sample().sql() == "STRUCT<a: INT NOT NULL COMMENT 'it\\'s', `b c`: ARRAY<STRUCT<x: TINYINT>>, m: MAP<STRING, DECIMAL(10,2)>>");
  CHECK(sample().ddl() == "a INT NOT NULL COMMENT 'it\\'s',`b c` ARRAY<STRUCT<x: TINYINT>>,m MAP<STRING, DECIMAL(10,2)>");
  CHECK(DataType(TypeId::kDayTimeInterval).sql() == "INTERVAL DAY TO SECOND");
  CHECK(DataType::day_time(kHour, kHour).catalog_string() == "interval hour");
  CHECK(DataType::string("UNICODE_CI").sql() == "STRING COLLATE UNICODE_CI");
  CHECK(DataType().catalog_string() == "void");
}

TEST_CASE("a schema's JSON is Spark's and comes back equal") {
  CHECK(sample().json() ==
        R"({"type":"struct","fields":[{"name":"a","type":"integer","nullable":false,"metadata":{"comment":"it's"}},)"
        R"({"name":"b c","type":{"type":"array","elementType":{"type":"struct","fields":[{"name":"x","type":"byte","nullable":true,"metadata":{}}]},"containsNull":false},"nullable":true,"metadata":{}},)"
        R"j({"name":"m","type":{"type":"map","keyType":"string","valueType":"decimal(10,2)","valueContainsNull":true},"nullable":true,"metadata":{}}]})j");
  CHECK(DataType::from_json(sample().json()) == sample());
  auto collated = DataType::structure({make_field("s", DataType::array(DataType::string("UTF8_LCASE")))});
  CHECK(collated.json() ==
        R"({"type":"struct","fields":[{"name":"s","type":{"type":"array","elementType":"string","containsNull":true},"nullable":true,"metadata":{"__COLLATIONS":{"s.element":"spark.UTF8_LCASE"}}}]})");
  CHECK(DataType::from_json(collated.json()) == collated);
  CHECK_THROWS_AS(DataType::from_json("\"nonsense\""), tarn::SparkError);
}

TEST_CASE("the protocol's message comes back equal") {
  spark::connect::DataType proto;
  sample().to_proto(&proto);
  CHECK(DataType::from_proto(proto) == sample());
}

TEST_CASE("printSchema's tree") {
  CHECK(sample().tree_string() ==
        "root\n"
        " |-- a: integer (nullable = false)\n"
        " |-- b c: array (nullable = true)\n"
        " |    |-- element: struct (containsNull = false)\n"
        " |    |    |-- x: byte (nullable = true)\n"
        " |-- m: map (nullable = true)\n"
        " |    |-- key: string\n"
        " |    |-- value: decimal(10,2) (valueContainsNull = true)\n");
  CHECK(sample().tree_string(1) ==
        "root\n |-- a: integer (nullable = false)\n |-- b c: array (nullable = true)\n |-- m: map (nullable = true)\n");
}

TEST_CASE("decimals keep six digits of scale beyond 38") {
  CHECK(adjust_decimal(45, 20) == DataType::decimal(38, 13));
  CHECK(adjust_decimal(60, 4) == DataType::decimal(38, 4));
  CHECK(adjust_decimal(20, 5) == DataType::decimal(20, 5));
}
