// from_avro and to_avro. Source: AvroDataToCatalyst, CatalystDataToAvro.
#include "duckdb/execution/expression_executor.hpp"
#include "engine/avro/row_reader.h"
#include "engine/avro/row_writer.h"
#include "engine/error_map.h"
#include "engine/kernels/decimal_vector.h"
#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/value_text.h"
#include "engine/type_mapping.h"
#include "plan/avro_schema.h"

namespace tarn::engine::kernels {
namespace {

using duckdb::DataChunk;
using duckdb::ExpressionState;
using duckdb::FlatVector;
using duckdb::idx_t;
using duckdb::LogicalType;
using duckdb::ScalarFunction;
using duckdb::UnifiedVectorFormat;
using duckdb::Value;
using duckdb::Vector;
using plan::avro::Schema;

// A reader and what it refers to, or why there is none.
struct Reading {
  std::shared_ptr<const Schema> written, read;
  std::optional<avro::RowReader> reader;
  std::string why;
};

[[noreturn]] void malformed(const std::string& why) {
  const SparkError cause = SparkError::Plain(ErrorKind::kSpark, why);
  const SparkError error = SparkError::Plain(ErrorKind::kSpark, "Malformed records are detected in record parsing. Current parse Mode: FAILFAST. To process "
                                                                "malformed records as null result, try setting the option 'mode' as 'PERMISSIVE'.");
  throw duckdb::InvalidInputException(kernel_error_text(error, &cause));
}

// What a value that cannot be read becomes: NULL, a struct of NULLs.
void put_nothing(Vector& out, idx_t row) {
  if (out.GetType().id() != duckdb::LogicalTypeId::STRUCT) return FlatVector::SetNull(out, row, true);
  for (auto& entry : duckdb::StructVector::GetEntries(out)) FlatVector::SetNull(*entry, row, true);
}

// value, Spark type, writer's schema, reader's schema or '', permissive, names have case
void from_avro(DataChunk& in, ExpressionState&, Vector& result) {
  const std::string type(constant_text(in.data[1])), writer(constant_text(in.data[2])), reader(constant_text(in.data[3]));
  const bool permissive = in.data[4].GetValue(0).GetValue<bool>(), case_sensitive = in.data[5].GetValue(0).GetValue<bool>();
  static thread_local Compiled<Reading> kept;
  const Reading& r = kept.get(type + '\0' + writer + '\0' + reader + (case_sensitive ? 'c' : 'i'), [&](std::string_view) -> std::shared_ptr<const Reading> {
    auto out = std::make_shared<Reading>();
    try {
      out->written = Schema::parse(writer);
      out->read = reader.empty() ? out->written : Schema::parse(reader);
      out->reader.emplace(out->written->root(), out->read->root(), type_of_json(type), avro::ReadSettings{false, case_sensitive, false});
    } catch (const SparkError& e) {
      out->why = e.message();
    }
    return out;
  });
  UnifiedVectorFormat a;
  in.data[0].ToUnifiedFormat(in.size(), a);
  const bool constant = in.data[0].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
  result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  for (idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
    const auto at = a.sel->get_index(i);
    if (!a.validity.RowIsValid(at)) {
      FlatVector::SetNull(result, i, true);
      continue;
    }
    std::string why = r.why;
    if (r.reader) {
      const auto& bytes = UnifiedVectorFormat::GetData<duckdb::string_t>(a)[at];
      avro::Decoder decoder({bytes.GetData(), bytes.GetSize()});
      try {
        r.reader->read(decoder, result, i);
        continue;
      } catch (const avro::Malformed& e) {
        why = e.what();
      } catch (const SparkError& e) {
        why = e.message();
      }
    }
    if (!permissive) malformed(why);
    put_nothing(result, i);
  }
  if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
}

struct Writing {
  std::shared_ptr<const Schema> schema;
  std::unique_ptr<const avro::RowWriter> writer;
};

// value, Spark type, schema, names have case
void to_avro(DataChunk& in, ExpressionState&, Vector& result) {
  const std::string type(constant_text(in.data[1])), schema(constant_text(in.data[2]));
  const bool case_sensitive = in.data[3].GetValue(0).GetValue<bool>();
  static thread_local Compiled<Writing> kept;
  try {
    auto writing = [&]() -> const Writing& {
      return kept.get(type + '\0' + schema + (case_sensitive ? 'c' : 'i'), [&](std::string_view) -> std::shared_ptr<const Writing> {
        auto out = std::make_shared<Writing>();
        out->schema = Schema::parse(schema);
        out->writer = std::make_unique<avro::RowWriter>(type_of_json(type), out->schema->root(), avro::WriteSettings{false, case_sensitive});
        return out;
      });
    };
    duckdb::RecursiveUnifiedVectorFormat d;
    Vector::RecursiveToUnifiedFormat(in.data[0], in.size(), d);
    const bool constant = in.data[0].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    std::string bytes;
    for (idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
      if (is_null(d, i)) {
        FlatVector::SetNull(result, i, true);
        continue;
      }
      bytes.clear();
      writing().writer->write(d, i, bytes);  // nulls need no schema that fits
      FlatVector::GetData<duckdb::string_t>(result)[i] = duckdb::StringVector::AddStringOrBlob(result, bytes.data(), bytes.size());
    }
    if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  } catch (const SparkError& e) {
    fail(e);
  }
}

void add(Kernels& k, const char* name, duckdb::vector<LogicalType> types, LogicalType result, duckdb::scalar_function_t f, duckdb::bind_scalar_function_t bind = nullptr) {
  ScalarFunction s(name, std::move(types), std::move(result), std::move(f), bind);
  s.SetFallible();
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

}  // namespace

void register_avro(Kernels& k) {
  const LogicalType text = LogicalType::VARCHAR, flag = LogicalType::BOOLEAN, blob = LogicalType::BLOB;
  add(k, "spark_from_avro", {blob, text, text, text, flag, flag}, LogicalType::INTEGER, from_avro,
      [](duckdb::ClientContext& context, ScalarFunction& fn, duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& args) -> duckdb::unique_ptr<duckdb::FunctionData> {
        fn.SetReturnType(to_duckdb(type_of_json(duckdb::ExpressionExecutor::EvaluateScalar(context, *args[1]).GetValue<std::string>())));
        return nullptr;
      });
  add(k, "spark_to_avro", {LogicalType::ANY, text, text, flag}, blob, to_avro);
}

}  // namespace tarn::engine::kernels
