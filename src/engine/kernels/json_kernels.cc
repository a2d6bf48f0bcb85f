// JSON and CSV functions. Source: JacksonParser, JacksonGenerator, JsonInferSchema, UnivocityParser.
#include <algorithm>
#include <cmath>
#include <map>

#include "duckdb/execution/expression_executor.hpp"
#include "duckdb/common/types/blob.hpp"
#include "engine/datetime_format.h"
#include "engine/datetime_parse.h"
#include "engine/kernels/decimal_vector.h"
#include "engine/kernels/json_value.h"
#include "engine/kernels/kernel_error.h"
#include "engine/kernels/value_text.h"
#include "engine/kernels/zones.h"
#include "engine/type_mapping.h"
#include "plan/expression_text.h"
#include "plan/function.h"

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

std::string lower(std::string_view s) {
  std::string r(s);
  for (char& c : r) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return r;
}

// The options map of a call: keys without regard to case.
struct Options {
  std::map<std::string, std::string> set;
  std::shared_ptr<const TimeZone> zone;
  std::shared_ptr<const DateTimeFormat> date, timestamp, ntz, time;

  Options(Vector& v, std::string_view tz, bool parsing) {
    Value m = v.GetValue(0);
    if (!m.IsNull())
      for (auto& e : duckdb::ListValue::GetChildren(m)) {
        auto& kv = duckdb::StructValue::GetChildren(e);
        set[lower(kv[0].ToString())] = kv[1].IsNull() ? "" : kv[1].ToString();
      }
    try {
      zone = TimeZone::get(get("timezone", std::string(tz)));
      if (has("dateformat")) date = DateTimeFormat::compile(get("dateformat"), parsing);
      if (has("timeformat")) time = DateTimeFormat::compile(get("timeformat"), parsing);
      if (has("timestampformat")) timestamp = DateTimeFormat::compile(get("timestampformat"), parsing);
      else if (!parsing) timestamp = DateTimeFormat::compile("yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]", false);
      if (has("timestampntzformat")) ntz = DateTimeFormat::compile(get("timestampntzformat"), parsing);
      else if (!parsing) ntz = DateTimeFormat::compile("yyyy-MM-dd'T'HH:mm:ss[.SSS]", false);
    } catch (const SparkError& e) {
      fail(e);
    }
  }
  bool has(const char* k) const { return set.contains(k); }
  std::string get(const char* k, std::string otherwise = {}) const { auto it = set.find(k); return it == set.end() ? otherwise : it->second; }
  bool flag(const char* k, bool otherwise) const { auto it = set.find(k); return it == set.end() ? otherwise : lower(it->second) == "true"; }
  JsonOptions json() const {
    JsonOptions o;
    o.single_quotes = flag("allowsinglequotes", true);
    o.unquoted_fields = flag("allowunquotedfieldnames", false);
    o.comments = flag("allowcomments", false);
    o.leading_zeros = flag("allownumericleadingzeros", false);
    o.non_numeric = flag("allownonnumericnumbers", true);
    o.control_chars = flag("allowunquotedcontrolchars", false);
    o.backslash_any = flag("allowbackslashescapinganycharacter", false);
    return o;
  }
};

// ---- to_json

void write_json(const DataType& t, const duckdb::RecursiveUnifiedVectorFormat& d, idx_t row, const Options& o, bool skip_nulls, std::string& out) {
  if (is_null(d, row)) {
    out += "null";
    return;
  }
  switch (t.id()) {
    case TypeId::kBoolean: case TypeId::kByte: case TypeId::kShort: case TypeId::kInt: case TypeId::kLong: case TypeId::kDecimal:
      append_text(t, d, row, TextStyle{o.zone}, out);
      return;
    case TypeId::kFloat: case TypeId::kDouble: {
      double v = t.id() == TypeId::kFloat ? static_cast<double>(value<float>(d, row)) : value<double>(d, row);
      if (std::isfinite(v)) append_text(t, d, row, TextStyle{o.zone}, out);
      else { out += '"'; append_text(t, d, row, TextStyle{o.zone}, out); out += '"'; }
      return;
    }
    case TypeId::kBinary: {
      const auto& s = value<duckdb::string_t>(d, row);
      append_json_string(duckdb::Blob::ToBase64(s), out);
      return;
    }
    case TypeId::kDate: {
      std::string s;
      if (!o.date || !o.date->format_date(value<int32_t>(d, row), s)) append_date(value<int32_t>(d, row), s);
      append_json_string(s, out);
      return;
    }
    case TypeId::kTimestamp: {
      std::string s;
      o.timestamp->format_timestamp(value<int64_t>(d, row), *o.zone, s);
      append_json_string(s, out);
      return;
    }
    case TypeId::kTimestampNtz: {
      std::string s;
      o.ntz->format_timestamp_ntz(value<int64_t>(d, row), s);
      append_json_string(s, out);
      return;
    }
    case TypeId::kTime: {
      std::string s;
      if (!o.time || !o.time->format_time(value<int64_t>(d, row), s)) append_text(t, d, row, TextStyle{o.zone}, s);
      append_json_string(s, out);
      return;
    }
    case TypeId::kVariant: append_text(t, d, row, TextStyle{o.zone}, out); return;
    case TypeId::kArray: {
      const auto& e = value<duckdb::list_entry_t>(d, row);
      out += '[';
      for (idx_t i = 0; i < e.length; ++i) {
        if (i) out += ',';
        write_json(t.element(), d.children[0], e.offset + i, o, skip_nulls, out);
      }
      out += ']';
      return;
    }
    case TypeId::kMap: {
      const auto& e = value<duckdb::list_entry_t>(d, row);
      const auto& entry = d.children[0];
      out += '{';
      for (idx_t i = 0; i < e.length; ++i) {
        if (i) out += ',';
        idx_t r = at(entry, e.offset + i);
        std::string key;
        append_text(t.key(), entry.children[0], r, TextStyle{o.zone}, key);
        append_json_string(key, out);
        out += ':';
        write_json(t.value(), entry.children[1], r, o, skip_nulls, out);
      }
      out += '}';
      return;
    }
    case TypeId::kStruct: {
      idx_t r = at(d, row);
      out += '{';
      bool first = true;
      for (size_t i = 0; i < t.fields().size(); ++i) {
        if (skip_nulls && is_null(d.children[i], r)) continue;
        if (!first) out += ',';
        first = false;
        append_json_string(t.fields()[i].name, out);
        out += ':';
        write_json(t.fields()[i].type(), d.children[i], r, o, skip_nulls, out);
      }
      out += '}';
      return;
    }
    default: {
      std::string s;
      append_text(t, d, row, TextStyle{o.zone}, s);
      append_json_string(s, out);
    }
  }
}

// ---- get_json_object: $ . name ['name'] [i] [*]

struct Step { char kind; std::string name; int64_t index = 0; };  // 'n' name, 'i' index, '*' all elements
struct Path {
  bool valid = true;
  std::vector<Step> steps;
  static std::shared_ptr<const Path> make(std::string_view s) {
    auto p = std::make_shared<Path>();
    auto bad = [&] { p->valid = false; return p; };
    if (s.empty() || s[0] != '$') return bad();
    for (size_t i = 1; i < s.size();) {
      if (s[i] == '.') {
        size_t e = s.find_first_of(".[", i + 1);
        if (e == std::string_view::npos) e = s.size();
        std::string name(s.substr(i + 1, e - i - 1));
        if (name.empty()) return bad();
        if (name == "*") p->steps.push_back({'*', {}});
        else p->steps.push_back({'n', name});
        i = e;
      } else if (s[i] == '[') {
        size_t e = s.find(']', i);
        if (i + 1 < s.size() && s[i + 1] == '\'') {
          size_t q = s.find("']", i + 2);
          if (q == std::string_view::npos) return bad();
          std::string name(s.substr(i + 2, q - i - 2));
          if (name.empty() || name.find('?') != std::string::npos) return bad();
          p->steps.push_back({'n', name});
          i = q + 2;
          continue;
        }
        if (e == std::string_view::npos) return bad();
        std::string inner(s.substr(i + 1, e - i - 1));
        if (inner == "*") p->steps.push_back({'*', {}});
        else {
          if (inner.empty() || !std::all_of(inner.begin(), inner.end(), [](char c) { return c >= '0' && c <= '9'; })) return bad();
          p->steps.push_back({'i', {}, std::stoll(inner)});
        }
        i = e + 1;
      } else {
        return bad();
      }
    }
    return p;
  }
};

void find(const Json& j, const std::vector<Step>& steps, size_t i, std::vector<const Json*>& out, bool& many) {
  if (i == steps.size()) {
    out.push_back(&j);
    return;
  }
  const Step& s = steps[i];
  if (s.kind == 'n') {
    if (j.kind == Json::Kind::kObject) {
      for (auto& [name, v] : j.fields)
        if (name == s.name) { find(v, steps, i + 1, out, many); break; }
    } else if (j.kind == Json::Kind::kArray && i > 0 && steps[i - 1].kind == '*') {
      for (const Json& x : j.items) find(x, steps, i, out, many);
    }
  } else if (s.kind == 'i') {
    if (j.kind == Json::Kind::kArray && s.index < static_cast<int64_t>(j.items.size())) find(j.items[static_cast<size_t>(s.index)], steps, i + 1, out, many);
  } else if (j.kind == Json::Kind::kArray) {
    many = true;
    for (const Json& x : j.items) find(x, steps, i + 1, out, many);
  }
}

std::optional<std::string> get_json_object(std::string_view text, std::string_view path) {
  static thread_local Compiled<Path> paths;
  const Path& p = paths.get(path, [](std::string_view s) { return Path::make(s); });
  if (!p.valid) return {};
  auto j = parse_json_text(text);
  if (!j) return {};
  std::vector<const Json*> found;
  bool many = false;
  find(*j, p.steps, 0, found, many);
  if (found.empty()) return {};
  if (!many || found.size() == 1) {
    const Json& v = *found[0];
    if (v.kind == Json::Kind::kNull) return {};
    if (v.kind == Json::Kind::kString && !(many && !p.steps.empty() && p.steps.back().kind == '*')) return v.text;
    std::string out;
    append_json(v, out);
    return many && !p.steps.empty() && p.steps.back().kind == '*' ? "[" + out + "]" : out;
  }
  std::string out = "[";
  for (size_t i = 0; i < found.size(); ++i) {
    if (i) out += ',';
    append_json(*found[i], out);
  }
  return out + "]";
}

// ---- schema_of_json

DataType infer(const Json& j, bool prefer_decimal, bool as_string) {
  switch (j.kind) {
    case Json::Kind::kNull: return TypeId::kNull;
    case Json::Kind::kTrue: case Json::Kind::kFalse: return as_string ? TypeId::kString : TypeId::kBoolean;
    case Json::Kind::kString: return TypeId::kString;
    case Json::Kind::kNumber: {
      if (as_string) return TypeId::kString;
      if (j.text.find_first_of(".eEIN") == std::string::npos) {
        if (parse_long(j.text, false)) return TypeId::kLong;
        std::string digits = j.text[0] == '-' ? j.text.substr(1) : j.text;
        if (digits.size() <= 38) return DataType::decimal(static_cast<int>(digits.size()), 0);
      }
      if (prefer_decimal && j.text.find_first_of("eEIN") == std::string::npos) {
        // 0.1 is DECIMAL(1,1): zeros before the point count for nothing.
        std::string digits = j.text[0] == '-' ? j.text.substr(1) : j.text;
        const size_t point = digits.find('.');
        const int scale = point == std::string::npos ? 0 : static_cast<int>(digits.size() - point - 1);
        if (point != std::string::npos) digits.erase(point, 1);
        digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
        const int precision = std::max(static_cast<int>(digits.size()), scale);
        if (precision <= 38) return DataType::decimal(precision, scale);
      }
      return TypeId::kDouble;
    }
    case Json::Kind::kArray: {
      DataType e(TypeId::kNull);
      for (const Json& x : j.items) {
        DataType t = infer(x, prefer_decimal, as_string);
        if (auto m = plan::common_type_without_strings(std::vector<DataType>{e, t}, false)) e = *m;
        else e = TypeId::kString;
      }
      return DataType::array(e);
    }
    default: {
      std::vector<plan::StructField> f;
      for (auto& [name, v] : j.fields) {
        if (name.empty()) continue;
        f.push_back(plan::make_field(name, infer(v, prefer_decimal, as_string)));
      }
      std::sort(f.begin(), f.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
      return DataType::structure(std::move(f));
    }
  }
}
DataType canonical(const DataType& t) {  // null becomes string
  switch (t.id()) {
    case TypeId::kNull: return TypeId::kString;
    case TypeId::kArray: return DataType::array(canonical(t.element()));
    case TypeId::kStruct: {
      std::vector<plan::StructField> f;
      for (const auto& x : t.fields()) f.push_back(plan::make_field(x.name, canonical(x.type())));
      return DataType::structure(std::move(f));
    }
    default: return t;
  }
}

// ---- CSV

std::vector<std::optional<std::string>> csv_fields(std::string_view s, char separator, char quote, char escape, const std::string& null_text) {
  std::vector<std::optional<std::string>> out;
  for (size_t i = 0;; ++i) {
    std::string v;
    bool quoted = false;
    if (i < s.size() && s[i] == quote) {
      quoted = true;
      for (++i; i < s.size(); ++i) {
        if (s[i] == escape && i + 1 < s.size() && (s[i + 1] == quote || s[i + 1] == escape)) v += s[++i];
        else if (s[i] == quote) { ++i; break; }
        else v += s[i];
      }
    }
    while (i < s.size() && s[i] != separator) v += s[i++];
    if (v == null_text && !quoted) out.emplace_back(std::nullopt);
    else out.emplace_back(std::move(v));
    if (i >= s.size()) return out;
    if (i + 1 == s.size()) { out.emplace_back(null_text.empty() ? std::nullopt : std::optional<std::string>("")); return out; }
  }
}

// (value, type JSON, options, zone) -> text.
template <class F> void printing(Kernels& k, const char* name, F f) {
  ScalarFunction s(name, {LogicalType::ANY, LogicalType::VARCHAR, LogicalType::ANY, LogicalType::VARCHAR}, LogicalType::VARCHAR, [f](DataChunk& in, ExpressionState&, Vector& result) {
    const DataType type = type_of_json(constant_text(in.data[1]));
    Options o(in.data[2], constant_text(in.data[3]), false);
    duckdb::RecursiveUnifiedVectorFormat d;
    Vector::RecursiveToUnifiedFormat(in.data[0], in.size(), d);
    const bool constant = in.data[0].GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    std::string out;
    for (idx_t i = 0; i < (constant ? 1 : in.size()); ++i) {
      if (is_null(d, i)) { FlatVector::SetNull(result, i, true); continue; }
      out.clear();
      f(type, d, i, o, out);
      FlatVector::GetData<duckdb::string_t>(result)[i] = duckdb::StringVector::AddString(result, out);
    }
    if (constant) result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
  });
  s.SetFallible();
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

}  // namespace

void register_json(Kernels& k) {
  printing(k, "spark_to_json", [](const DataType& t, const duckdb::RecursiveUnifiedVectorFormat& d, idx_t i, const Options& o, std::string& out) {
    write_json(t, d, i, o, o.flag("ignorenullfields", true), out);
  });
  printing(k, "spark_to_csv", [](const DataType& t, const duckdb::RecursiveUnifiedVectorFormat& d, idx_t i, const Options& o, std::string& out) {
    const std::string sep = o.get("sep", o.get("delimiter", ",")), none = o.get("nullvalue", "");
    idx_t r = at(d, i);
    for (size_t n = 0; n < t.fields().size(); ++n) {
      if (n) out += sep;
      if (is_null(d.children[n], r)) { out += none; continue; }
      std::string v;
      const DataType& ft = t.fields()[n].type();
      if (ft.id() == TypeId::kTimestamp) o.timestamp->format_timestamp(value<int64_t>(d.children[n], r), *o.zone, v);
      else if (ft.id() == TypeId::kTimestampNtz) o.ntz->format_timestamp_ntz(value<int64_t>(d.children[n], r), v);
      else if (ft.id() == TypeId::kTime && o.time) o.time->format_time(value<int64_t>(d.children[n], r), v);
      else if (ft.id() == TypeId::kDate && o.date) o.date->format_date(value<int32_t>(d.children[n], r), v);
      else append_text(ft, d.children[n], r, TextStyle{o.zone}, v);
      if (v.empty() && ft.is_string()) { out += o.get("emptyvalue", "\"\""); continue; }
      if (v.find_first_of(sep + "\"\n\r") != std::string::npos || o.flag("quoteall", false)) {
        out += '"';
        for (char c : v) {
          if (c == '"' || (c == '\\' && false)) out += '\\';
          out += c;
        }
        out += '"';
      } else {
        out += v;
      }
    }
  });
  k.scalar<Text(Text, Text)>("spark_get_json_object", get_json_object);
  k.scalar<int32_t(Text)>("spark_json_array_length", [](std::string_view s) -> std::optional<int32_t> {
    auto j = parse_json_text(s);
    if (!j || j->kind != Json::Kind::kArray) return {};
    return static_cast<int32_t>(j->items.size());
  });
  {
    ScalarFunction f("spark_schema_of_json", {LogicalType::VARCHAR, LogicalType::ANY}, LogicalType::VARCHAR, [](DataChunk& in, ExpressionState&, Vector& result) {
      Options o(in.data[1], "UTC", true);
      auto j = parse_json_text(constant_text(in.data[0]), o.json());
      DataType t = j ? canonical(infer(*j, o.flag("prefersdecimal", false), o.flag("primitivesasstring", false)))
                     : DataType::structure({plan::make_field("_corrupt_record", TypeId::kString)});
      result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
      result.SetValue(0, Value(t.sql()));
    });
    f.SetFallible();
    k.add(std::move(f));
  }
  {
    ScalarFunction s("spark_schema_of_csv", {LogicalType::VARCHAR, LogicalType::ANY}, LogicalType::VARCHAR, [](DataChunk& in, ExpressionState&, Vector& result) {
      Options o(in.data[1], "UTC", true);
      std::string sep = o.get("sep", o.get("delimiter", ","));
      auto fields = csv_fields(constant_text(in.data[0]), sep.empty() ? ',' : sep[0], '"', '\\', o.get("nullvalue", ""));
      std::vector<plan::StructField> out;
      for (size_t i = 0; i < fields.size(); ++i) {
        DataType t(TypeId::kString);
        if (fields[i]) {
          const std::string& v = *fields[i];
          auto n = parse_long(v, false);
          bool looks_like_date = v.size() >= 8 && v[4] == '-';
          if (n && v.find_first_of(" \t") == std::string::npos) t = *n == static_cast<int32_t>(*n) ? TypeId::kInt : TypeId::kLong;
          else if (parse_double(v) && v.find_first_of("xX") == std::string::npos) t = TypeId::kDouble;
          else if (looks_like_date && string_to_date(v) && v.size() == 10) t = TypeId::kDate;
          else if (string_to_timestamp(v, *o.zone)) t = TypeId::kTimestamp;
          else if (lower(v) == "true" || lower(v) == "false") t = TypeId::kBoolean;
        }
        out.push_back(plan::make_field("_c" + std::to_string(i), t));
      }
      result.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
      result.SetValue(0, Value(DataType::structure(std::move(out)).sql()));
    });
    s.SetFallible();
    k.add(std::move(s));
  }
  {
    ScalarFunction s("spark_json_object_keys", {LogicalType::VARCHAR}, LogicalType::LIST(LogicalType::VARCHAR), [](DataChunk& in, ExpressionState&, Vector& result) {
      UnifiedVectorFormat a;
      in.data[0].ToUnifiedFormat(in.size(), a);
      result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
      for (idx_t i = 0; i < in.size(); ++i) {
        auto at = a.sel->get_index(i);
        Value v(result.GetType());
        if (a.validity.RowIsValid(at)) {
          const auto& t = UnifiedVectorFormat::GetData<duckdb::string_t>(a)[at];
          auto j = parse_json_text({t.GetData(), t.GetSize()});
          if (j && j->kind == Json::Kind::kObject) {
            duckdb::vector<Value> keys;
            for (auto& f : j->fields) keys.push_back(Value(f.first));
            v = Value::LIST(LogicalType::VARCHAR, std::move(keys));
          }
        }
        result.SetValue(i, v);
      }
    });
    s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    k.add(std::move(s));
  }
  {
    // (json, name …) -> STRUCT(c0 VARCHAR, …)
    ScalarFunction s("spark_json_tuple", {LogicalType::VARCHAR}, LogicalType::STRUCT({{"c0", LogicalType::VARCHAR}}), [](DataChunk& in, ExpressionState&, Vector& result) {
      std::vector<UnifiedVectorFormat> u(in.ColumnCount());
      for (size_t a = 0; a < u.size(); ++a) in.data[a].ToUnifiedFormat(in.size(), u[a]);
      auto text = [&](size_t a, idx_t i) -> std::optional<std::string_view> {
        auto at = u[a].sel->get_index(i);
        if (!u[a].validity.RowIsValid(at)) return {};
        const auto& t = UnifiedVectorFormat::GetData<duckdb::string_t>(u[a])[at];
        return std::string_view(t.GetData(), t.GetSize());
      };
      result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
      auto& parts = duckdb::StructVector::GetEntries(result);
      for (idx_t i = 0; i < in.size(); ++i) {
        std::optional<Json> j;
        if (auto t = text(0, i)) j = parse_json_text(*t);
        for (size_t a = 1; a < u.size(); ++a) {
          const Json* f = nullptr;
          if (j && j->kind == Json::Kind::kObject)
            if (auto name = text(a, i)) f = j->field(*name);
          if (!f || f->kind == Json::Kind::kNull) { FlatVector::SetNull(*parts[a - 1], i, true); continue; }
          std::string out = f->text;
          if (f->kind != Json::Kind::kString) { out.clear(); append_json(*f, out); }
          FlatVector::GetData<duckdb::string_t>(*parts[a - 1])[i] = duckdb::StringVector::AddString(*parts[a - 1], out);
        }
      }
    }, [](duckdb::ClientContext&, ScalarFunction& f, duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& args) -> duckdb::unique_ptr<duckdb::FunctionData> {
      duckdb::child_list_t<LogicalType> fields;
      for (size_t i = 1; i < args.size(); ++i) fields.emplace_back("c" + std::to_string(i - 1), LogicalType::VARCHAR);
      f.SetReturnType(LogicalType::STRUCT(fields));
      return nullptr;
    });
    s.SetVarArgs(LogicalType::VARCHAR);
    s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
    k.add(std::move(s));
  }
}

}  // namespace tarn::engine::kernels
