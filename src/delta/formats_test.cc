#include <doctest/doctest.h>

#include "base/io_error.h"
#include "delta/deletion_vector.h"
#include "delta/retention.h"
#include "delta/schema.h"
#include "delta/statistics.h"
#include "delta/test_table.h"

using namespace tarn;
using namespace tarn::delta;
using namespace tarn::delta::testing;

TEST_CASE("an inline deletion vector of delta-kernel") {
  DeletionVectorDescriptor d;
  d.storage_type = "i";
  d.path_or_inline_dv = "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L";
  d.size_in_bytes = 44;
  d.cardinality = 6;
  auto rows = read_deletion_vector("/t", d);
  for (uint64_t r : {3, 4, 7, 11, 18, 29}) CHECK(rows.contains(r));
  CHECK(!rows.contains(5));
  CHECK(rows.intersects(5, 8));
  CHECK(!rows.intersects(12, 18));
  d.cardinality = 7;
  CHECK_THROWS_AS(read_deletion_vector("/t", d), IoError);
}

TEST_CASE("the protocol's example of a deletion vector's file name") {
  DeletionVectorDescriptor d;
  d.storage_type = "u";
  d.path_or_inline_dv = "ab^-aqEH.-t@S}K{vb[*k^";
  CHECK(deletion_vector_path("/t", d) == "/t/ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin");
}

TEST_CASE("a written deletion vector is read back, also beyond 32 bits") {
  TestTable t;
  RowSet rows;
  for (uint64_t r : {uint64_t{0}, uint64_t{7}, uint64_t{100000}, uint64_t{5} << 32}) rows.add(r);
  auto d = write_deletion_vector(t.path, rows);
  CHECK(d.cardinality == 4);
  auto back = read_deletion_vector(t.path, d);
  CHECK(back.count() == 4);
  CHECK(back.contains(uint64_t{5} << 32));
  CHECK(back.intersects((uint64_t{5} << 32) - 3, (uint64_t{5} << 32) + 1));
  std::string path = deletion_vector_path(t.path, d), bytes = storage::store_for(path).read(path);
  bytes[12] ^= 1;
  storage::store_for(path).write(path, bytes);
  CHECK_THROWS_AS(read_deletion_vector(t.path, d), IoError);
}

TEST_CASE("cut or foreign bytes are no deletion vector") {
  RowSet rows;
  rows.add(1);
  std::string bytes = rows.serialize();
  for (size_t n = 0; n < bytes.size(); ++n) CHECK_THROWS_AS(RowSet::deserialize(std::string_view(bytes).substr(0, n), "x"), IoError);
  CHECK_THROWS_AS(z85_decode("abcd"), IoError);
  CHECK_THROWS_AS(z85_decode("ab cd"), IoError);
}

TEST_CASE("statistics keep all digits of a number") {
  auto s = FileStatistics::parse(R"({"numRecords":3,"minValues":{"d":12345678901234567890.123,"s":{"x":"a\"b"}},"maxValues":{"d":1},"nullCount":{"s":{"x":2}},"tightBounds":false})");
  REQUIRE(s);
  CHECK(s->num_records == 3);
  CHECK(!s->tight_bounds);
  CHECK(s->min_values.at("d").text == "12345678901234567890.123");
  CHECK(s->min_values.at(std::string("s") + kPathSeparator + "x").text == "a\"b");
  CHECK(s->null_count.at(std::string("s") + kPathSeparator + "x") == 2);
  CHECK(!FileStatistics::parse("not json"));
  CHECK(!FileStatistics::parse(""));
}

TEST_CASE("long strings are cut so that the bounds still hold") {
  std::string a40(40, 'a');
  CHECK(truncate_min(a40) == std::string(32, 'a'));
  CHECK(*truncate_max(a40) == std::string(32, 'a') + "\xf4\x8f\xbf\xbf");
  CHECK(*truncate_max("short") == "short");
  std::string top;
  for (int i = 0; i < 40; ++i) top += "\xf4\x8f\xbf\xbf";
  CHECK(!truncate_max(top));
}

TEST_CASE("schemas keep what Delta hangs on their fields") {
  std::string json = R"({"type":"struct","fields":[{"name":"a","type":"integer","nullable":false,"metadata":{"delta.columnMapping.id":4,"delta.columnMapping.physicalName":"col-1"}},{"name":"s","type":{"type":"struct","fields":[{"name":"x","type":{"type":"array","elementType":"timestamp_ntz","containsNull":true},"nullable":false,"metadata":{}}]},"nullable":true,"metadata":{}},{"name":"g","type":"long","nullable":true,"metadata":{"delta.generationExpression":"a + 1"}}]})";
  auto schema = parse_schema(json);
  CHECK(to_json(schema) == json);
  CHECK(schema.find("A")->physical_name() == "col-1");
  CHECK(schema.find("a")->column_id() == 4);
  CHECK(not_null_columns(schema) == std::vector<std::vector<std::string>>{{"a"}, {"s", "x"}});
  CHECK(generated_columns(schema)[0].expression == "a + 1");
  Metadata m;
  m.schema_string = json;
  m.configuration = {{"delta.columnMapping.mode", "name"}};
  assign_column_mapping(m, true);
  CHECK(m.property("delta.columnMapping.maxColumnId") == "7");
  CHECK(parse_schema(m.schema_string).find("s")->physical_name() == "s");
}

TEST_CASE("a schema that cannot be stored is refused") {
  auto check = [](const std::string& fields, std::vector<std::string> partition = {}) {
    Metadata m;
    m.schema_string = R"({"type":"struct","fields":[)" + fields + "]}";
    m.partition_columns = std::move(partition);
    return condition_of([&] { check_schema(m); });
  };
  std::string a = R"({"name":"a","type":"long","nullable":true,"metadata":{}})", big_a = R"({"name":"A","type":"long","nullable":true,"metadata":{}})";
  CHECK(check(a) == "");
  CHECK(check(a + "," + big_a) == "DELTA_DUPLICATE_COLUMNS_FOUND.METADATA_UPDATE");
  CHECK(check(R"({"name":"a b","type":"long","nullable":true,"metadata":{}})") == "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES");
  CHECK(check(a, {"x"}) == "DELTA_PARTITION_COLUMN_NOT_FOUND");
  CHECK(check(a, {"a"}) == "DELTA_CANNOT_USE_ALL_COLUMNS_FOR_PARTITION");
}

TEST_CASE("durations of properties") {
  CHECK(parse_duration_ms("interval 1 week") == 7 * kDayMs);
  CHECK(parse_duration_ms("2 hours 30 minutes") == 9'000'000);
  CHECK(!parse_duration_ms("interval"));
  CHECK(!parse_duration_ms("soon"));
}
