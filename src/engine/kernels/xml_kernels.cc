// XML functions. Source: XmlExpressionEvalUtils, xpath.scala, UDFXPathUtil.
#include <libxml/parser.h>
#include <libxml/xpath.h>

#include <cmath>

#include "duckdb/execution/expression_executor.hpp"
#include "engine/kernels/decimal_vector.h"
#include "engine/kernels/kernel.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/value_text.h"
#include "engine/type_mapping.h"
#include "engine/xml/row_reader.h"
#include "engine/xml/schema.h"
#include "engine/xml/writer.h"

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
using plan::DataType;
using plan::TypeId;

// The options map, the session's zone, its column for corrupt records and whether names have case: arguments from `first` on.
xml::XmlOptions options_of(DataChunk& in, idx_t first) {
  std::vector<std::pair<std::string, std::string>> pairs;
  Value map = in.data[first].GetValue(0);
  if (!map.IsNull())
    for (auto& e : duckdb::ListValue::GetChildren(map)) {
      auto& kv = duckdb::StructValue::GetChildren(e);
      pairs.emplace_back(kv[0].ToString(), kv[1].IsNull() ? "" : kv[1].ToString());
    }
  xml::Defaults d;
  d.zone = constant_text(in.data[first + 1]);
  d.corrupt_column = constant_text(in.data[first + 2]);
  d.case_sensitive = in.data[first + 3].GetValue(0).GetValue<bool>();
  d.timestamp_ntz = in.data[first + 4].GetValue(0).GetValue<bool>();
  try {
    return xml::XmlOptions::read(sources::Options(pairs), d);
  } catch (const SparkError& e) {
    fail(e);
  }
}

// Up to the first element, as Spark skips a prolog. False: there is none.
bool to_root(xml::Events& events) {
  while (events.peek().kind == xml::Event::Kind::kText) events.next();
  return events.peek().kind == xml::Event::Kind::kStart;
}

// The struct without the column for corrupt records, and where that is.
struct Schema {
  DataType type, read;
  std::optional<size_t> corrupt;
  Schema(DataType t, const std::string& column) : type(std::move(t)), corrupt(type.field_index(column, true)) {
    auto fields = type.fields();
    if (corrupt) {
      if (!fields[*corrupt].type().is_string())
        fail("INVALID_CORRUPT_RECORD_TYPE", ErrorKind::kAnalysis,
             {{"columnName", "`" + column + "`"}, {"actualType", "\"" + fields[*corrupt].type().sql() + "\""}});
      fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(*corrupt));
    }
    read = DataType::structure(std::move(fields));
  }
};

void from_xml(DataChunk& in, ExpressionState&, Vector& result) {
  const xml::XmlOptions o = options_of(in, 2);
  if (o.mode == sources::ParseMode::kDropMalformed)
    fail("PARSE_MODE_UNSUPPORTED", ErrorKind::kAnalysis, {{"funcName", "`from_xml`"}, {"mode", o.mode_name}});
  const Schema schema(type_of_json(constant_text(in.data[1])), o.corrupt_column);
  UnifiedVectorFormat a;
  in.data[0].ToUnifiedFormat(in.size(), a);
  const bool constant = in.data[0].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
  const LogicalType type = result.GetType();
  result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  try {
    xml::RowReader reader(schema.read, o);
    for (idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
      auto at = a.sel->get_index(i);
      if (!a.validity.RowIsValid(at)) {
        result.SetValue(i, Value(type));
        continue;
      }
      const auto& t = UnifiedVectorFormat::GetData<duckdb::string_t>(a)[at];
      const std::string_view text(t.GetData(), t.GetSize());
      xml::RowReader::Row row;
      bool bad = false;
      try {
        xml::Events events(text);
        if (!to_root(events)) throw xml::Malformed{"no element"};
        row = reader.read(events);
        bad = row.partial;
      } catch (const xml::Malformed&) {
        row.values.clear();
        bad = true;
      } catch (const xml::BadRecord&) {
        row.values.clear();
        bad = true;
      }
      if (row.values.empty())
        for (const auto& f : schema.read.fields()) row.values.emplace_back(to_duckdb(f.type()));
      if (bad && o.mode == sources::ParseMode::kFailFast) {
        std::string shown = "[";
        for (size_t k = 0; k < row.values.size(); ++k) shown += (k ? "," : "") + (row.values[k].IsNull() ? "null" : row.values[k].ToString());
        fail("MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION", ErrorKind::kSpark, {{"badRecord", shown + "]"}, {"failFastMode", "FAILFAST"}});
      }
      if (schema.corrupt) row.values.insert(row.values.begin() + static_cast<std::ptrdiff_t>(*schema.corrupt), bad ? Value(std::string(text)) : Value(LogicalType::VARCHAR));
      result.SetValue(i, Value::STRUCT(type, duckdb::vector<Value>(row.values.begin(), row.values.end())));
    }
  } catch (const SparkError& e) {
    fail(e);
  }
  if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
}

void to_xml(DataChunk& in, ExpressionState&, Vector& result) {
  const xml::XmlOptions o = options_of(in, 2);
  const DataType type = type_of_json(constant_text(in.data[1]));
  duckdb::RecursiveUnifiedVectorFormat d;
  Vector::RecursiveToUnifiedFormat(in.data[0], in.size(), d);
  const bool constant = in.data[0].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
  result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  try {
    for (idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
      if (is_null(d, i)) {
        FlatVector::SetNull(result, i, true);
        continue;
      }
      std::string out;
      xml::Writer writer(o);
      writer.to(out);
      writer.row(type, d, i);
      FlatVector::GetData<duckdb::string_t>(result)[i] = duckdb::StringVector::AddString(result, out);
    }
  } catch (const SparkError& e) {
    fail(e);
  }
  if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
}

std::string schema_of(std::string_view text, const xml::XmlOptions& o) {
  std::optional<DataType> type;
  try {
    xml::Events events(text);
    if (!to_root(events)) throw xml::Malformed{"no element"};
    type = xml::infer(events, o);
  } catch (const xml::Malformed&) {
    type = xml::malformed_type(o);
  }
  return xml::canonical(*type).value_or(DataType::structure({})).sql();
}

void schema_of_xml(DataChunk& in, ExpressionState&, Vector& result) {
  const xml::XmlOptions o = options_of(in, 1);
  if (o.mode == sources::ParseMode::kDropMalformed)
    fail("PARSE_MODE_UNSUPPORTED", ErrorKind::kAnalysis, {{"funcName", "`schema_of_xml`"}, {"mode", o.mode_name}});
  result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  try {
    result.SetValue(0, Value(schema_of(constant_text(in.data[0]), o)));
  } catch (const SparkError& e) {
    fail(e);
  }
}

// ---- XPath 1.0

[[noreturn]] void fail_plain(const std::string& text) { fail(SparkError::Plain(ErrorKind::kSpark, text)); }

struct Freer {
  void operator()(xmlDoc* d) const { xmlFreeDoc(d); }
  void operator()(xmlXPathContext* c) const { xmlXPathFreeContext(c); }
  void operator()(xmlXPathCompExpr* c) const { xmlXPathFreeCompExpr(c); }
  void operator()(xmlXPathObject* o) const { xmlXPathFreeObject(o); }
  void operator()(xmlChar* s) const { xmlFree(s); }
};
template <class T> using Owned = std::unique_ptr<T, Freer>;

void silent(void*, xmlErrorPtr) {}

struct Path {
  Owned<xmlXPathCompExpr> compiled;
};

// What the path gives for the document; null where Spark gives NULL.
struct Answer {
  Owned<xmlDoc> document;
  Owned<xmlXPathContext> context;
  Owned<xmlXPathObject> object;
};
std::optional<Answer> evaluate(std::string_view text, std::string_view path) {
  if (text.empty() || path.empty()) return std::nullopt;
  xml::prepare_library();
  static thread_local Compiled<Path> paths;
  xmlSetStructuredErrorFunc(nullptr, silent);
  const Path& p = paths.get(path, [](std::string_view s) -> std::shared_ptr<const Path> {
    auto out = std::make_shared<Path>();
    out->compiled.reset(xmlXPathCompile(reinterpret_cast<const xmlChar*>(std::string(s).c_str())));
    if (!out->compiled) fail_plain("Invalid XPath '" + std::string(s) + "'");
    return out;
  });
  Answer a;
  a.document.reset(xmlReadMemory(text.data(), static_cast<int>(text.size()), nullptr, "UTF-8", XML_PARSE_NONET | XML_PARSE_NOENT | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA));
  if (!a.document) fail_plain("Error loading expression '" + std::string(path) + "'");
  a.context.reset(xmlXPathNewContext(a.document.get()));
  if (a.context) a.context->node = reinterpret_cast<xmlNodePtr>(a.document.get());
  if (a.context) a.object.reset(xmlXPathCompiledEval(p.compiled.get(), a.context.get()));
  if (!a.object) fail_plain("Invalid XML document: the path '" + std::string(path) + "' cannot be evaluated\n" + std::string(text));
  return a;
}

std::optional<double> number(std::string_view text, std::string_view path) {
  auto a = evaluate(text, path);
  if (!a) return std::nullopt;
  return xmlXPathCastToNumber(a->object.get());
}

// Java's narrowing of a double.
template <class T> T narrow(double v) {
  if (std::isnan(v)) return 0;
  if (v >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  if (v <= static_cast<double>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
  return static_cast<T>(v);
}

std::string text_of(xmlChar* s) {
  Owned<xmlChar> owned(s);
  return s ? std::string(reinterpret_cast<const char*>(s)) : std::string();
}

void xpath_list(DataChunk& in, ExpressionState&, Vector& result) {
  UnifiedVectorFormat texts, paths;
  in.data[0].ToUnifiedFormat(in.size(), texts);
  in.data[1].ToUnifiedFormat(in.size(), paths);
  result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  for (idx_t i = 0; i < in.size(); ++i) {
    const auto t = texts.sel->get_index(i), p = paths.sel->get_index(i);
    Value list(result.GetType());
    if (texts.validity.RowIsValid(t) && paths.validity.RowIsValid(p)) {
      const auto& text = UnifiedVectorFormat::GetData<duckdb::string_t>(texts)[t];
      const auto& path = UnifiedVectorFormat::GetData<duckdb::string_t>(paths)[p];
      const std::string_view path_text(path.GetData(), path.GetSize());
      if (auto a = evaluate({text.GetData(), text.GetSize()}, path_text)) {
        if (a->object->type != XPATH_NODESET) fail_plain("Invalid XML document: the path '" + std::string(path_text) + "' gives no list of nodes");
        duckdb::vector<Value> items;
        const auto* nodes = a->object->nodesetval;
        for (int n = 0; nodes && n < nodes->nodeNr; ++n) {
          const xmlNode* node = nodes->nodeTab[n];
          // An element has no value of its own.
          const bool valued = node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE || node->type == XML_ATTRIBUTE_NODE || node->type == XML_COMMENT_NODE || node->type == XML_PI_NODE;
          items.push_back(valued ? Value(text_of(xmlNodeGetContent(node))) : Value(LogicalType::VARCHAR));
        }
        list = Value::LIST(LogicalType::VARCHAR, std::move(items));
      }
    }
    result.SetValue(i, list);
  }
  if (in.AllConstant()) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
}

void add(Kernels& k, const char* name, duckdb::vector<LogicalType> types, LogicalType result, duckdb::scalar_function_t f, duckdb::bind_scalar_function_t bind = nullptr) {
  ScalarFunction s(name, std::move(types), std::move(result), std::move(f), bind);
  s.SetFallible();
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

}  // namespace

void register_xml(Kernels& k) {
  const LogicalType text = LogicalType::VARCHAR, flag = LogicalType::BOOLEAN, any = LogicalType::ANY;
  // …, options, zone, column for corrupt records, names have case, TIMESTAMP means TIMESTAMP_NTZ
  add(k, "spark_from_xml", {text, text, any, text, text, flag, flag}, LogicalType::INTEGER, from_xml,
      [](duckdb::ClientContext& context, ScalarFunction& fn, duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& args) -> duckdb::unique_ptr<duckdb::FunctionData> {
        fn.SetReturnType(to_duckdb(type_of_json(duckdb::ExpressionExecutor::EvaluateScalar(context, *args[1]).GetValue<std::string>())));
        return nullptr;
      });
  add(k, "spark_to_xml", {any, text, any, text, text, flag, flag}, text, to_xml);
  add(k, "spark_schema_of_xml", {text, any, text, text, flag, flag}, text, schema_of_xml);
  add(k, "spark_xpath", {text, text}, LogicalType::LIST(text), xpath_list);
  k.scalar<bool(Text, Text)>("spark_xpath_boolean", [](std::string_view t, std::string_view p) -> std::optional<bool> {
    auto a = evaluate(t, p);
    if (!a) return std::nullopt;
    return xmlXPathCastToBoolean(a->object.get()) != 0;
  });
  k.scalar<Text(Text, Text)>("spark_xpath_string", [](std::string_view t, std::string_view p) -> std::optional<std::string> {
    auto a = evaluate(t, p);
    if (!a) return std::nullopt;
    return text_of(xmlXPathCastToString(a->object.get()));
  });
  k.scalar<double(Text, Text)>("spark_xpath_double", number);
  k.scalar<float(Text, Text)>("spark_xpath_float", [](std::string_view t, std::string_view p) -> std::optional<float> {
    auto n = number(t, p);
    return n ? std::optional(static_cast<float>(*n)) : std::nullopt;
  });
  k.scalar<int64_t(Text, Text)>("spark_xpath_long", [](std::string_view t, std::string_view p) -> std::optional<int64_t> {
    auto n = number(t, p);
    return n ? std::optional(narrow<int64_t>(*n)) : std::nullopt;
  });
  k.scalar<int32_t(Text, Text)>("spark_xpath_int", [](std::string_view t, std::string_view p) -> std::optional<int32_t> {
    auto n = number(t, p);
    return n ? std::optional(narrow<int32_t>(*n)) : std::nullopt;
  });
  k.scalar<int16_t(Text, Text)>("spark_xpath_short", [](std::string_view t, std::string_view p) -> std::optional<int16_t> {
    auto n = number(t, p);
    return n ? std::optional(static_cast<int16_t>(narrow<int32_t>(*n))) : std::nullopt;
  });
}

}  // namespace tarn::engine::kernels
