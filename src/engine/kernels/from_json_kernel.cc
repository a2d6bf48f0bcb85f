// from_json: the values of the source json, one record from each text. Source: JsonToStructs, JacksonParser, FailureSafeParser.
#include <cstring>
#include <optional>

#include "engine/kernels/decimal_vector.h"
#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/value_text.h"
#include "engine/sources/json_converter.h"
#include "engine/type_mapping.h"
#include "plan/session_conf.h"

namespace tarn::engine::kernels {
namespace {

using duckdb::DataChunk;
using duckdb::FlatVector;
using duckdb::idx_t;
using duckdb::ListVector;
using duckdb::LogicalType;
using duckdb::ScalarFunction;
using duckdb::StringVector;
using duckdb::StructVector;
using duckdb::Vector;
using plan::DataType;
using plan::TypeId;
using sources::JsonResult;

sources::JsonOptions json_options(Vector& map, std::string_view settings, std::string_view zone) {
  plan::SessionConf conf;
  for (size_t at = 0; at < settings.size();) {
    size_t end = std::min(settings.find('\n', at), settings.size()), equals = settings.find('=', at);
    conf.set(settings.substr(at, equals - at), settings.substr(equals + 1, end - equals - 1));
    at = end + 1;
  }
  if (!zone.empty()) conf.set("spark.sql.session.timeZone", zone);
  std::vector<std::pair<std::string, std::string>> pairs;
  duckdb::Value m = map.GetValue(0);
  if (!m.IsNull())
    for (auto& e : duckdb::ListValue::GetChildren(m)) {
      auto& kv = duckdb::StructValue::GetChildren(e);
      pairs.emplace_back(kv[0].ToString(), kv[1].IsNull() ? "" : kv[1].ToString());
    }
  auto options = sources::JsonOptions::read(sources::Options(pairs), conf);
  if (options.mode == sources::ParseMode::kDropMalformed)
    fail("PARSE_MODE_UNSUPPORTED", ErrorKind::kAnalysis, {{"funcName", "`from_json`"}, {"mode", "DROPMALFORMED"}});
  options.exact_text = false;
  return options;
}

class FromJson {
 public:
  FromJson(const DataType& type, sources::JsonOptions options)
      : type_(type), options_(std::move(options)), cursor_(options_.leniency), converter_(type_, options_) {
    if (type_.id() == TypeId::kStruct)
      if (auto i = type_.field_index(options_.corrupt_column, true); i && type_.fields()[*i].type().is_string()) corrupt_ = static_cast<int>(*i);
    if (type_.id() == TypeId::kArray && type_.element().id() == TypeId::kStruct) element_.emplace(type_.element(), options_);
  }

  void read(std::string_view record, Vector& out, idx_t row) {
    // The cursor may look behind the end.
    text_.resize(record.size() + kPadding);
    memcpy(text_.data(), record.data(), record.size());
    memset(text_.data() + record.size(), '\n', kPadding);
    cursor_.reset(text_.data(), text_.data() + record.size());
    JsonResult result = JsonResult::kFailed;
    bool none = false;
    try {
      result = root(out, row, none);
    } catch (const sources::JsonSyntaxError&) {
    }
    if (none) return FlatVector::SetNull(out, row, true);
    if (result != JsonResult::kOk && options_.mode == sources::ParseMode::kFailFast)
      fail("MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION", ErrorKind::kSpark, {{"badRecord", std::string(record)}, {"failFastMode", "FAILFAST"}});
    if (result == JsonResult::kFailed) {
      FlatVector::SetNull(out, row, true);
      if (type_.id() != TypeId::kStruct) return;
      FlatVector::Validity(out).SetValid(row);  // a record of nulls
    }
    if (corrupt_ < 0) return;
    auto& column = *StructVector::GetEntries(out)[static_cast<size_t>(corrupt_)];
    FlatVector::SetNull(column, row, result == JsonResult::kOk);
    if (result != JsonResult::kOk) FlatVector::GetData<duckdb::string_t>(column)[row] = StringVector::AddString(column, record.data(), record.size());
  }

 private:
  static constexpr size_t kPadding = 64;

  // none: there is no value in the text.
  JsonResult root(Vector& out, idx_t row, bool& none) {
    const char first = cursor_.peek();
    none = first == '\0';
    if (none) return JsonResult::kOk;
    if (element_ && first == '{') {
      const auto at = ListVector::GetListSize(out);
      ListVector::Reserve(out, at + 1);
      JsonResult result = element_->read(cursor_, ListVector::GetEntry(out), at, false);
      ListVector::SetListSize(out, at + 1);
      FlatVector::Validity(out).SetValid(row);
      FlatVector::GetData<duckdb::list_entry_t>(out)[row] = {at, 1};
      return result;
    }
    const char wanted = type_.id() == TypeId::kArray ? '[' : '{';
    if (first != wanted && first != 'n') {
      cursor_.skip_value();
      return JsonResult::kFailed;
    }
    if (type_.id() == TypeId::kStruct) return first == '{' ? converter_.read_record(cursor_, out, row, false) : JsonResult::kFailed;
    return converter_.read(cursor_, out, row, false);
  }

  const DataType type_;
  const sources::JsonOptions options_;
  sources::JsonCursor cursor_;
  sources::JsonConverter converter_;
  std::optional<sources::JsonConverter> element_;
  int corrupt_ = -1;
  std::string text_;
};

}  // namespace

void register_from_json(Kernels& k) {
  // (text, type JSON, options, zone, settings "key=value" by line) -> a value of the type.
  ScalarFunction s("spark_from_json", {LogicalType::VARCHAR, LogicalType::VARCHAR, LogicalType::ANY, LogicalType::VARCHAR, LogicalType::VARCHAR}, LogicalType::INTEGER,
                   [](DataChunk& in, duckdb::ExpressionState&, Vector& result) {
                     std::optional<FromJson> reader;
                     try {
                       reader.emplace(type_of_json(constant_text(in.data[1])), json_options(in.data[2], constant_text(in.data[4]), constant_text(in.data[3])));
                     } catch (const SparkError& e) {
                       fail(e);
                     }
                     duckdb::UnifiedVectorFormat texts;
                     in.data[0].ToUnifiedFormat(in.size(), texts);
                     const bool constant = in.data[0].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
                     result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
                     for (idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
                       auto at = texts.sel->get_index(i);
                       if (!texts.validity.RowIsValid(at)) {
                         FlatVector::SetNull(result, i, true);
                         continue;
                       }
                       const auto& t = duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(texts)[at];
                       reader->read({t.GetData(), t.GetSize()}, result, i);
                     }
                     if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
                   },
                   [](duckdb::ClientContext& context, ScalarFunction& f, duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& args) -> duckdb::unique_ptr<duckdb::FunctionData> {
                     f.SetReturnType(to_duckdb(type_of_json(constant_argument(context, *args[1]).GetValue<std::string>())));
                     return nullptr;
                   });
  s.SetFallible();
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

}  // namespace tarn::engine::kernels
