#include <doctest/doctest.h>

#include "base/spark_error.h"
#include "duckdb/common/types/vector.hpp"
#include "engine/avro/container.h"
#include "engine/avro/row_reader.h"
#include "engine/avro/row_writer.h"
#include "engine/type_mapping.h"
#include "plan/avro_schema.h"

using namespace tarn;
using namespace tarn::engine::avro;
using plan::DataType;
using plan::TypeId;
using plan::avro::Schema;

namespace {

duckdb::Value read(const std::string& writer, const std::string& reader, const DataType& type, const std::string& bytes) {
  auto w = Schema::parse(writer), r = Schema::parse(reader);
  RowReader rows(w->root(), r->root(), type, {});
  duckdb::Vector out(engine::to_duckdb(type));
  Decoder in(bytes);
  rows.read(in, out, 0);
  CHECK(in.done());
  return out.GetValue(0);
}

std::string bytes(std::initializer_list<int> all) {
  std::string out;
  for (int b : all) out += static_cast<char>(b);
  return out;
}

}  // namespace

TEST_CASE("numbers are the specification's zig-zag varints") {
  for (auto [v, stored] : {std::pair<int64_t, std::string>{0, bytes({0})}, {-1, bytes({1})}, {1, bytes({2})}, {-64, bytes({0x7f})}, {64, bytes({0x80, 0x01})},
                           {INT64_MAX, bytes({0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})},
                           {INT64_MIN, bytes({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})}}) {
    std::string out;
    put_number(v, out);
    CHECK(out == stored);
    Decoder in(stored);
    CHECK(in.number() == v);
  }
  const std::string begun = bytes({0x80});
  Decoder cut(begun);
  CHECK_THROWS_AS(cut.number(), Malformed);
}

TEST_CASE("the record of the specification's example") {
  const std::string schema = R"({"type":"record","name":"test","fields":[{"name":"a","type":"long"},{"name":"b","type":"string"}]})";
  const auto type = DataType::structure({plan::make_field("a", TypeId::kLong), plan::make_field("b", TypeId::kString)});
  CHECK(read(schema, schema, type, bytes({0x36, 0x06, 0x66, 0x6f, 0x6f})).ToString() == "{'a': 27, 'b': foo}");
}

TEST_CASE("a reader's schema resolves promotions, aliases, defaults and dropped fields") {
  const std::string writer = R"({"type":"record","name":"r","fields":[{"name":"a","type":"int"},{"name":"gone","type":{"type":"array","items":"string"}},{"name":"b","type":"int"}]})";
  const std::string reader =
      R"({"type":"record","name":"r","fields":[{"name":"x","aliases":["b"],"type":"long"},{"name":"a","type":"double"},{"name":"new","type":["string","null"],"default":"d"}]})";
  const auto type =
      DataType::structure({plan::make_field("a", TypeId::kDouble), plan::make_field("x", TypeId::kLong), plan::make_field("new", TypeId::kString), plan::make_field("none", TypeId::kInt)});
  CHECK(read(writer, reader, type, bytes({4, 2, 2, 'q', 0, 6})).ToString() == "{'a': 2.0, 'x': 3, 'new': d, 'none': NULL}");
}

TEST_CASE("unions of several types are structs of which one field is set") {
  const std::string schema = R"(["null","int","string"])";
  plan::avro::ReadOptions options;
  const auto type = plan::avro::to_sql_type(Schema::parse(schema)->root(), options).type;
  CHECK(type.catalog_string() == "struct<member0:int,member1:string>");
  CHECK(read(schema, schema, type, bytes({4, 2, 'z'})).ToString() == "{'member0': NULL, 'member1': z}");
  CHECK(read(schema, schema, type, bytes({0})).IsNull());
  options.stable_union_names = true;
  CHECK(plan::avro::to_sql_type(Schema::parse(schema)->root(), options).type.catalog_string() == "struct<member_int:int,member_string:string>");
}

TEST_CASE("schemas are written as they were read") {
  for (const char* schema : {R"({"type":"record","name":"a","namespace":"n","fields":[{"name":"f","type":{"type":"fixed","name":"d","size":5,"logicalType":"decimal","precision":10,"scale":2}},{"name":"g","type":["d","null"]},{"name":"next","type":["null","a"],"default":null}]})",
                             R"({"type":"map","values":{"type":"array","items":{"type":"long","logicalType":"timestamp-micros"}}})", R"("int")"}) {
    CHECK(Schema::parse(schema)->root().json() == schema);
  }
  CHECK_THROWS_AS(Schema::parse(R"({"type":"record","name":"a","fields":[{"name":"f","type":"nowhere"}]})"), SparkError);
  CHECK_THROWS_AS(Schema::parse("{"), SparkError);
  CHECK_THROWS_AS(plan::avro::to_sql_type(Schema::parse(R"({"type":"record","name":"a","fields":[{"name":"n","type":["null","a"]}]})")->root(), {}), SparkError);
}

TEST_CASE("every codec gives its blocks back and refuses damaged ones") {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += std::to_string(i * 7919 % 1000);
  for (Codec c : {Codec::kNull, Codec::kDeflate, Codec::kSnappy, Codec::kBzip2, Codec::kXz, Codec::kZstandard}) {
    CAPTURE(codec_name(c));
    const std::string stored = compress_block(text, c, c == Codec::kDeflate ? -1 : 3);
    CHECK(decompress_block(stored, c) == text);
    CHECK(decompress_block(compress_block("", c, 1), c).empty());
    if (c != Codec::kNull) CHECK_THROWS_AS(decompress_block(std::string_view(stored).substr(0, stored.size() / 2), c), Malformed);
  }
}
