// from_json and from_csv: the values of the sources json and csv, one record from each text. Source: JsonToStructs, CsvToStructs, JacksonParser,
// UnivocityParser, FailureSafeParser.
#include <cstring>
#include <optional>

#include "engine/kernels/decimal_vector.h"
#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/value_text.h"
#include "engine/sources/column_writer.h"
#include "engine/sources/csv_tokenizer.h"
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

// The options map of a call, and what the session says: "key=value" by line.
struct Settings {
  std::string function;
  sources::Options options;
  plan::SessionConf conf;

  Settings(const char* function, Vector& map, std::string_view zone, std::string_view settings) : function(function) {
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
    options = sources::Options(pairs);
    if (sources::parse_mode(options) == sources::ParseMode::kDropMalformed)
      throw SparkError(ErrorKind::kAnalysis, "PARSE_MODE_UNSUPPORTED", {{"funcName", "`" + this->function + "`"}, {"mode", "DROPMALFORMED"}});
  }
};

[[noreturn]] void malformed(std::string_view record) {
  fail("MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION", ErrorKind::kSpark, {{"badRecord", std::string(record)}, {"failFastMode", "FAILFAST"}});
}

std::optional<size_t> corrupt_field(const DataType& type, const std::string& name) {
  if (type.id() != TypeId::kStruct) return {};
  auto i = type.field_index(name, true);
  return i && type.fields()[*i].type().is_string() ? std::optional<size_t>(*i) : std::nullopt;
}

void set_corrupt(Vector& out, size_t field, idx_t row, bool corrupt, std::string_view record) {
  auto& column = *StructVector::GetEntries(out)[field];
  FlatVector::SetNull(column, row, !corrupt);
  if (corrupt) FlatVector::GetData<duckdb::string_t>(column)[row] = StringVector::AddString(column, record.data(), record.size());
}

// A text behind whose end may be read.
class PaddedText {
 public:
  const char* set(std::string_view text) {
    bytes_.resize(text.size() + kPadding);
    memcpy(bytes_.data(), text.data(), text.size());
    memset(bytes_.data() + text.size(), '\n', kPadding);
    return bytes_.data();
  }

 private:
  static constexpr size_t kPadding = 64;
  std::string bytes_;
};

class FromJson {
 public:
  static constexpr const char* kFunction = "from_json";
  FromJson(const DataType& type, const Settings& settings)
      : type_(type), options_(read_options(settings)), cursor_(options_.leniency), converter_(type_, options_), corrupt_(corrupt_field(type_, options_.corrupt_column)) {
    if (type_.id() == TypeId::kArray && type_.element().id() == TypeId::kStruct) element_.emplace(type_.element(), options_);
  }

  void read(std::string_view record, Vector& out, idx_t row) {
    const char* text = text_.set(record);
    cursor_.reset(text, text + record.size());
    JsonResult result = JsonResult::kFailed;
    bool none = false;
    try {
      result = root(out, row, none);
    } catch (const sources::JsonSyntaxError&) {
    }
    if (none) return FlatVector::SetNull(out, row, true);
    if (result != JsonResult::kOk && options_.mode == sources::ParseMode::kFailFast) malformed(record);
    if (result == JsonResult::kFailed) {
      FlatVector::SetNull(out, row, true);
      if (type_.id() != TypeId::kStruct) return;
      FlatVector::Validity(out).SetValid(row);  // a record of nulls
    }
    if (corrupt_) set_corrupt(out, *corrupt_, row, result != JsonResult::kOk, record);
  }

 private:
  static sources::JsonOptions read_options(const Settings& settings) {
    auto options = sources::JsonOptions::read(settings.options, settings.conf);
    options.exact_text = false;
    return options;
  }

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
  const std::optional<size_t> corrupt_;
  PaddedText text_;
};

class FromCsv {
 public:
  static constexpr const char* kFunction = "from_csv";
  FromCsv(const DataType& type, const Settings& settings)
      : type_(type), options_(sources::CsvOptions::read(settings.options, settings.conf)), tokenizer_(options_), corrupt_(corrupt_field(type_, options_.corrupt_column)) {
    for (size_t i = 0; i < type_.fields().size(); ++i)
      if (i != corrupt_) columns_.push_back({i, sources::ColumnWriter(type_.fields()[i].type(), options_)});
  }

  void read(std::string_view record, Vector& out, idx_t row) {
    auto& entries = StructVector::GetEntries(out);
    FlatVector::Validity(out).SetValid(row);
    const char* text = text_.set(record);
    if (!tokenizer_.line(text, text + record.size(), tokens_, SIZE_MAX)) fail("MALFORMED_CSV_RECORD", ErrorKind::kRuntime, {{"badRecord", std::string(record)}});
    bool bad = tokens_.size() != columns_.size();
    for (size_t i = 0; i < columns_.size(); ++i) {
      auto& [field, writer] = columns_[i];
      writer.attach(*entries[field]);
      if (i >= tokens_.size() || tokens_[i].view() == options_.null_value) {
        writer.set_null(row);
        continue;
      }
      writer.clear_null(row);
      if (writer.write(tokens_[i].view(), false, row)) continue;
      bad = true;
      writer.set_null(row);
    }
    if (bad && options_.mode == sources::ParseMode::kFailFast) malformed(record);
    if (corrupt_) set_corrupt(out, *corrupt_, row, bad, record);
  }

 private:
  struct Column {
    size_t field;
    sources::ColumnWriter writer;
  };
  const DataType type_;
  const sources::CsvOptions options_;
  sources::CsvTokenizer tokenizer_;
  const std::optional<size_t> corrupt_;
  std::vector<Column> columns_;
  std::vector<sources::CsvToken> tokens_;
  PaddedText text_;
};

// (text, type JSON, options, zone, settings) -> a value of the type.
template <class Reader> void reading(Kernels& k, const char* name) {

  ScalarFunction s(name, {LogicalType::VARCHAR, LogicalType::VARCHAR, LogicalType::ANY, LogicalType::VARCHAR, LogicalType::VARCHAR}, LogicalType::INTEGER,
                   [](DataChunk& in, duckdb::ExpressionState&, Vector& result) {
                     std::optional<Reader> reader;
                     try {
                       reader.emplace(type_of_json(constant_text(in.data[1])), Settings(Reader::kFunction, in.data[2], constant_text(in.data[3]), constant_text(in.data[4])));
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

}  // namespace

void register_from_text(Kernels& k) {
  reading<FromJson>(k, "spark_from_json");
  reading<FromCsv>(k, "spark_from_csv");
}

}  // namespace tarn::engine::kernels
