#include "engine/sinks/row_encoder.h"

#include <algorithm>
#include <charconv>

#include "base/spark_error.h"
#include "engine/datetime_format.h"
#include "engine/datetime_parse.h"
#include "engine/sources/csv_options.h"
#include "engine/sources/java_number.h"
#include "engine/time_zone.h"
#include "plan/session_conf.h"

namespace tarn::engine::sinks {
namespace {

using duckdb::idx_t;
using plan::DataType;
using plan::TypeId;
using sources::Options;
using Column = duckdb::RecursiveUnifiedVectorFormat;

bool is_null(const Column& c, idx_t row) { return !c.unified.validity.RowIsValid(c.unified.sel->get_index(row)); }
idx_t index_of(const Column& c, idx_t row) { return c.unified.sel->get_index(row); }
template <class T>
const T& at(const Column& c, idx_t index) {
  return duckdb::UnifiedVectorFormat::GetData<T>(c.unified)[index];
}

void append_integer(int64_t v, std::string& out) {
  char buf[24];
  out.append(buf, std::to_chars(buf, buf + sizeof buf, v).ptr);
}

__int128 decimal_at(const DataType& type, const Column& c, idx_t i) {
  if (type.precision() <= 4) return at<int16_t>(c, i);
  if (type.precision() <= 9) return at<int32_t>(c, i);
  if (type.precision() <= 18) return at<int64_t>(c, i);
  auto h = at<duckdb::hugeint_t>(c, i);
  return static_cast<__int128>(h.upper) << 64 | h.lower;
}

[[noreturn]] void no_field(const DataType& type) {
  throw SparkError(ErrorKind::kDateTime, "INTERNAL_ERROR", {{"message", "the pattern needs a field that " + type.sql() + " lacks"}});
}

const char kHex[] = "0123456789ABCDEF";

// ---- csv

class CsvEncoder : public RowEncoder {
 public:
  CsvEncoder(const DataType& schema, const Options& o, const plan::SessionConf& conf) : schema_(schema) {
    delimiter_ = sources::csv_delimiter(o.text("sep", o.text("delimiter", ",")));
    quote_ = o.character("quote", '"');
    escape_ = o.character("escape", '\\');
    escape_escape_ = quote_ == escape_ ? '\0' : escape_;
    if (auto v = o.find("charToEscapeQuoteEscaping"); v && !v->empty()) escape_escape_ = o.character("charToEscapeQuoteEscaping", '\0');
    header_ = o.csv_flag("header", false);
    quote_all_ = o.csv_flag("quoteAll", false);
    escape_quotes_ = o.csv_flag("escapeQuotes", true);
    ignore_leading_ = o.csv_flag("ignoreLeadingWhiteSpace", true);
    ignore_trailing_ = o.csv_flag("ignoreTrailingWhiteSpace", true);
    null_value_ = o.text("nullValue", "");
    empty_value_ = o.text("emptyValue", "\"\"");
    line_end_ = o.text("lineSep", "\n");
    null_as_empty_ = sources::lower(conf.find("spark.sql.legacy.nullValueWrittenAsQuotedEmptyStringCsv").value_or("false")) == "true";
    formats_ = WriteFormats::read(o, conf);
  }

  void header(std::string& out) override {
    if (!header_) return;
    for (size_t i = 0; i < schema_.fields().size(); ++i) {
      if (i) out += delimiter_;
      field(&schema_.fields()[i].name, out);
    }
    out += line_end_;
  }

  void row(const std::vector<Column>& columns, const std::vector<size_t>& which, idx_t row, std::string& out) override {
    for (size_t i = 0; i < which.size(); ++i) {
      if (i) out += delimiter_;
      const Column& c = columns[which[i]];
      if (is_null(c, row)) {
        field(null_as_empty_ ? &null_value_ : nullptr, out);
      } else {
        text_.clear();
        append_value(schema_.fields()[i].type(), c, index_of(c, row), &formats_, *formats_.zone, text_);
        field(&text_, out);
      }
    }
    out += line_end_;
  }

 private:
  bool special(const std::string& s, size_t i) const {
    return s[i] == '\n' || (escape_quotes_ && s[i] == quote_) || s.compare(i, delimiter_.size(), delimiter_) == 0;
  }

  // univocity's writer: absent values are replaced, and what came out empty gets the null or the empty value.
  void field(const std::string* value, std::string& out) {
    size_t start = out.size();
    own_quotes_ = false;
    bool quoted = write(value ? *value : null_value_, quote_all_, !value, out, start);
    if (out.size() == start && value) write(empty_value_, quoted, true, out, start);
    if (quoted && !own_quotes_) {  // a null or empty value that brings its own quotes stands as it is
      out.insert(start, 1, quote_);
      out += quote_;
    }
  }

  bool write(const std::string& s, bool quoted, bool replacement, std::string& out, size_t field_start) {
    size_t begin = 0, end = s.size();
    if (ignore_leading_) {
      while (begin < end && static_cast<unsigned char>(s[begin]) <= ' ') ++begin;
    }
    if (begin < end && s[begin] == quote_) quoted = true;
    if (quoted && replacement && s.size() >= 2 && s.front() == quote_ && s.back() == quote_) {
      out += s;
      own_quotes_ = true;
      return true;
    }
    for (size_t i = begin; i < end && !quoted; ++i) {
      if (special(s, i)) quoted = true;
    }
    if (quoted) {
      for (size_t i = begin; i < end; ++i) {
        if (s[i] == quote_) out += escape_;
        else if (s[i] == escape_ && escape_escape_ != '\0') out += escape_escape_;
        out += s[i];
      }
    } else {
      out.append(s, begin, end - begin);
    }
    if (ignore_trailing_) {
      while (out.size() > field_start && static_cast<unsigned char>(out.back()) <= ' ') out.pop_back();
    }
    return quoted;
  }

  DataType schema_;
  std::string delimiter_, null_value_, empty_value_, line_end_, text_;
  char quote_, escape_, escape_escape_;
  bool header_, quote_all_, escape_quotes_, ignore_leading_, ignore_trailing_, null_as_empty_, own_quotes_ = false;
  WriteFormats formats_;
};

// ---- json

class JsonEncoder : public RowEncoder {
 public:
  JsonEncoder(const DataType& schema, const Options& o, const plan::SessionConf& conf) : schema_(schema) {
    ignore_null_ = o.flag("ignoreNullFields", conf.flag("spark.sql.jsonGenerator.ignoreNullFields"));
    pretty_ = o.flag("pretty", false);
    sort_ = o.flag("sortKeys", false);
    ascii_ = o.flag("writeNonAsciiCharacterAsCodePoint", false);
    line_end_ = o.text("lineSep", "\n");
    formats_ = WriteFormats::read(o, conf);
  }

  void row(const std::vector<Column>& columns, const std::vector<size_t>& which, idx_t row, std::string& out) override {
    std::vector<const Column*> fields;
    for (size_t w : which) fields.push_back(&columns[w]);
    depth_ = 0;
    object(schema_, fields, row, out);
    out += line_end_;
  }

 private:
  void newline(std::string& out) {
    out += '\n';
    out.append(static_cast<size_t>(depth_) * 2, ' ');
  }

  void object(const DataType& type, const std::vector<const Column*>& fields, idx_t row, std::string& out) {
    out += '{';
    ++depth_;
    bool first = true;
    auto one = [&](size_t i) {
      bool null = is_null(*fields[i], row);
      if (null && ignore_null_) return;
      name(type.fields()[i].name, first, out);
      first = false;
      if (null) out += "null";
      else value(type.fields()[i].type(), *fields[i], index_of(*fields[i], row), out);
    };
    if (sort_) {
      std::vector<size_t> order(fields.size());
      for (size_t i = 0; i < order.size(); ++i) order[i] = i;
      std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return type.fields()[a].name < type.fields()[b].name; });
      for (size_t i : order) one(i);
    } else {
      for (size_t i = 0; i < fields.size(); ++i) one(i);
    }
    close_object(first, out);
  }

  void name(std::string_view n, bool first, std::string& out) {
    if (!first) out += ',';
    if (pretty_) newline(out);
    string(n, out);
    out += pretty_ ? " : " : ":";
  }

  void close_object(bool empty, std::string& out) {
    --depth_;
    if (pretty_) {
      if (empty) out += ' ';
      else newline(out);
    }
    out += '}';
  }

  void string(std::string_view s, std::string& out) {
    out += '"';
    for (size_t i = 0; i < s.size(); ++i) {
      auto c = static_cast<unsigned char>(s[i]);
      switch (c) {
        case '"': out += "\\\""; continue;
        case '\\': out += "\\\\"; continue;
        case '\b': out += "\\b"; continue;
        case '\f': out += "\\f"; continue;
        case '\n': out += "\\n"; continue;
        case '\r': out += "\\r"; continue;
        case '\t': out += "\\t"; continue;
        default: break;
      }
      if (c < 0x20) {
        unit(c, out);
      } else if (c >= 0x80 && ascii_) {
        int n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        uint32_t code = c & (0xffu >> (n + 1));
        for (int k = 1; k < n && i + 1 < s.size(); ++k) code = code << 6 | (static_cast<unsigned char>(s[++i]) & 0x3f);
        if (code >= 0x10000) {
          code -= 0x10000;
          unit(0xd800 + (code >> 10), out);
          unit(0xdc00 + (code & 0x3ff), out);
        } else {
          unit(code, out);
        }
      } else {
        out += static_cast<char>(c);
      }
    }
    out += '"';
  }

  void unit(uint32_t u, std::string& out) {
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += kHex[u >> shift & 0xf];
  }

  void value(const DataType& type, const Column& c, idx_t i, std::string& out) {
    switch (type.id()) {
      case TypeId::kNull: out += "null"; return;
      case TypeId::kBoolean:
      case TypeId::kByte:
      case TypeId::kShort:
      case TypeId::kInt:
      case TypeId::kLong:
      case TypeId::kDecimal: append_value(type, c, i, &formats_, *formats_.zone, out); return;
      case TypeId::kFloat:
      case TypeId::kDouble: {
        double d = type.id() == TypeId::kFloat ? at<float>(c, i) : at<double>(c, i);
        bool text = d != d || d - d != 0;  // NaN and infinities are strings
        if (text) out += '"';
        append_value(type, c, i, &formats_, *formats_.zone, out);
        if (text) out += '"';
        return;
      }
      case TypeId::kBinary: {
        static const char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const auto& s = at<duckdb::string_t>(c, i);
        const auto* p = reinterpret_cast<const unsigned char*>(s.GetData());
        size_t n = s.GetSize();
        out += '"';
        for (size_t k = 0; k < n; k += 3) {
          uint32_t bits = static_cast<uint32_t>(p[k]) << 16 | (k + 1 < n ? p[k + 1] << 8 : 0) | (k + 2 < n ? p[k + 2] : 0);
          out += kDigits[bits >> 18];
          out += kDigits[bits >> 12 & 63];
          out += k + 1 < n ? kDigits[bits >> 6 & 63] : '=';
          out += k + 2 < n ? kDigits[bits & 63] : '=';
        }
        out += '"';
        return;
      }
      case TypeId::kStruct: {
        std::vector<const Column*> fields;
        for (const auto& child : c.children) fields.push_back(&child);
        object(type, fields, i, out);
        return;
      }
      case TypeId::kArray: {
        auto entry = at<duckdb::list_entry_t>(c, i);
        out += '[';
        if (pretty_) out += ' ';
        for (idx_t k = 0; k < entry.length; ++k) {
          if (k) out += pretty_ ? ", " : ",";
          element(type.element(), c.children[0], entry.offset + k, out);
        }
        if (pretty_ && entry.length) out += ' ';
        out += ']';
        return;
      }
      case TypeId::kMap: {
        auto entry = at<duckdb::list_entry_t>(c, i);
        const Column& pairs = c.children[0];
        out += '{';
        ++depth_;
        std::vector<std::pair<std::string, idx_t>> keys;
        for (idx_t k = 0; k < entry.length; ++k) {
          idx_t p = index_of(pairs, entry.offset + k);
          std::string key;
          append_value(type.key(), pairs.children[0], index_of(pairs.children[0], p), nullptr, *formats_.zone, key);
          keys.emplace_back(std::move(key), p);
        }
        if (sort_) std::sort(keys.begin(), keys.end());
        bool first = true;
        for (const auto& [key, p] : keys) {
          name(key, first, out);
          first = false;
          element(type.value(), pairs.children[1], p, out);
        }
        close_object(first, out);
        return;
      }
      case TypeId::kUdt: value(type.sql_type(), c, i, out); return;
      default:
        text_.clear();
        append_value(type, c, i, &formats_, *formats_.zone, text_);
        string(text_, out);
    }
  }

  void element(const DataType& type, const Column& c, idx_t row, std::string& out) {
    if (is_null(c, row)) out += "null";
    else value(type, c, index_of(c, row), out);
  }

  DataType schema_;
  bool ignore_null_, pretty_, sort_, ascii_;
  std::string line_end_, text_;
  int depth_ = 0;
  WriteFormats formats_;
};

class TextEncoder : public RowEncoder {
 public:
  explicit TextEncoder(const Options& o) : line_end_(o.text("lineSep", "\n")) {}
  void row(const std::vector<Column>& columns, const std::vector<size_t>& which, idx_t row, std::string& out) override {
    for (size_t w : which) {
      if (is_null(columns[w], row)) continue;
      const auto& s = at<duckdb::string_t>(columns[w], index_of(columns[w], row));
      out.append(s.GetData(), s.GetSize());
    }
    out += line_end_;
  }

 private:
  std::string line_end_;
};

}  // namespace

WriteFormats WriteFormats::read(const Options& o, const plan::SessionConf& conf) {
  if (sources::lower(conf.text("spark.sql.legacy.timeParserPolicy")) == "legacy") {
    throw not_built("spark.sql.legacy.timeParserPolicy=LEGACY for file writers");
  }
  WriteFormats f;
  std::string locale = o.text("locale", "en-US");
  f.zone = TimeZone::get(o.text("timeZone", conf.time_zone()));
  f.date = DateTimeFormat::compile(o.text("dateFormat", "yyyy-MM-dd"), false, locale);
  f.timestamp = DateTimeFormat::compile(o.text("timestampFormat", "yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]"), false, locale);
  f.timestamp_ntz = DateTimeFormat::compile(o.text("timestampNTZFormat", "yyyy-MM-dd'T'HH:mm:ss[.SSS]"), false);
  if (auto t = o.find("timeFormat"); t && *t != "HH:mm:ss") f.time = DateTimeFormat::compile(*t, false);
  return f;
}

void append_value(const DataType& type, const Column& c, idx_t i, const WriteFormats* formats, const TimeZone& zone, std::string& out) {
  switch (type.id()) {
    case TypeId::kBoolean: out += at<bool>(c, i) ? "true" : "false"; return;
    case TypeId::kByte: append_integer(at<int8_t>(c, i), out); return;
    case TypeId::kShort: append_integer(at<int16_t>(c, i), out); return;
    case TypeId::kInt: append_integer(at<int32_t>(c, i), out); return;
    case TypeId::kLong: append_integer(at<int64_t>(c, i), out); return;
    case TypeId::kFloat: sources::append_java_float(at<float>(c, i), out); return;
    case TypeId::kDouble: sources::append_java_double(at<double>(c, i), out); return;
    case TypeId::kDecimal: sources::append_java_decimal(decimal_at(type, c, i), type.scale(), out); return;
    case TypeId::kString:
    case TypeId::kChar:
    case TypeId::kVarchar:
    case TypeId::kBinary: {
      const auto& s = at<duckdb::string_t>(c, i);
      out.append(s.GetData(), s.GetSize());
      return;
    }
    case TypeId::kDate:
      if (!formats) append_date(at<int32_t>(c, i), out);
      else if (!formats->date->format_date(at<int32_t>(c, i), out)) no_field(type);
      return;
    case TypeId::kTimestamp:
      if (!formats) append_timestamp(zone.utc_to_local_micros(at<int64_t>(c, i)), out);
      else if (!formats->timestamp->format_timestamp(at<int64_t>(c, i), zone, out)) no_field(type);
      return;
    case TypeId::kTimestampNtz:
      if (!formats) append_timestamp(at<int64_t>(c, i), out);
      else if (!formats->timestamp_ntz->format_timestamp_ntz(at<int64_t>(c, i), out)) no_field(type);
      return;
    case TypeId::kTime:
      if (!formats || !formats->time) append_time(at<int64_t>(c, i), out);
      else if (!formats->time->format_time(at<int64_t>(c, i), out)) no_field(type);
      return;
    case TypeId::kUdt: append_value(type.sql_type(), c, i, formats, zone, out); return;
    case TypeId::kNull: return;
    default: throw not_built("writing " + type.sql() + " as text");
  }
}

std::unique_ptr<RowEncoder> make_csv_encoder(const DataType& schema, const Options& options, const plan::SessionConf& conf) {
  return std::make_unique<CsvEncoder>(schema, options, conf);
}
std::unique_ptr<RowEncoder> make_json_encoder(const DataType& schema, const Options& options, const plan::SessionConf& conf) {
  return std::make_unique<JsonEncoder>(schema, options, conf);
}
std::unique_ptr<RowEncoder> make_text_encoder(const Options& options) { return std::make_unique<TextEncoder>(options); }

}  // namespace tarn::engine::sinks
