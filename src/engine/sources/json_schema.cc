// The schema of JSON files. Source: JsonInferSchema.
#include <simdjson.h>

#include <algorithm>
#include <map>

#include "engine/sources/byte_stream.h"
#include "engine/sources/java_number.h"
#include "engine/sources/file_blocks.h"
#include "engine/sources/json_format.h"
#include "engine/sources/line_source.h"
#include "plan/session_conf.h"

namespace tarn::engine::sources {

using plan::DataType;
using plan::TypeId;

// A type that grows in place. Fields are sorted by name, as Spark sorts them.
struct JsonTypeMerger::Type {
  TypeId id = TypeId::kNull;
  int precision = 0, scale = 0;
  std::map<std::string, Type, std::less<>> fields;
  std::unique_ptr<Type> element;

  void become_string() {
    id = TypeId::kString;
    fields.clear();
    element.reset();
  }

  // compatibleType of this and a type without parts.
  void add_scalar(TypeId other, int p = 0, int s = 0) {
    if (other == TypeId::kNull) return;
    if (id == TypeId::kNull) {
      id = other;
      precision = p;
      scale = s;
      return;
    }
    if (id == TypeId::kString) return;
    if (id == other && id != TypeId::kDecimal && id != TypeId::kStruct && id != TypeId::kArray) return;
    bool number = id == TypeId::kLong || id == TypeId::kDouble || id == TypeId::kDecimal;
    bool other_number = other == TypeId::kLong || other == TypeId::kDouble || other == TypeId::kDecimal;
    if (number && other_number) {
      if (id == TypeId::kDouble || other == TypeId::kDouble) {
        id = TypeId::kDouble;
        return;
      }
      int p1 = id == TypeId::kDecimal ? precision : 20, s1 = id == TypeId::kDecimal ? scale : 0;
      int p2 = other == TypeId::kDecimal ? p : 20, s2 = other == TypeId::kDecimal ? s : 0;
      int scale_out = std::max(s1, s2), range = std::max(p1 - s1, p2 - s2);
      if (range + scale_out > 38) {
        id = TypeId::kDouble;
      } else {
        id = TypeId::kDecimal;
        precision = range + scale_out;
        scale = scale_out;
      }
      return;
    }
    auto timestamp = [](TypeId t) { return t == TypeId::kTimestamp || t == TypeId::kTimestampNtz; };
    if (timestamp(id) && timestamp(other)) {
      id = TypeId::kTimestamp;
      return;
    }
    become_string();
  }

  void merge(const Type& o) {
    if (o.id == TypeId::kStruct) {
      if (id != TypeId::kNull && id != TypeId::kStruct) return become_string();
      id = TypeId::kStruct;
      for (const auto& [name, type] : o.fields) fields[name].merge(type);
    } else if (o.id == TypeId::kArray) {
      if (id != TypeId::kNull && id != TypeId::kArray) return become_string();
      id = TypeId::kArray;
      if (!element) element = std::make_unique<Type>();
      element->merge(*o.element);
    } else {
      add_scalar(o.id, o.precision, o.scale);
    }
  }

  std::optional<DataType> canonical(bool drop_all_null) const {
    switch (id) {
      case TypeId::kNull: return drop_all_null ? std::nullopt : std::optional<DataType>(TypeId::kString);
      case TypeId::kDecimal: return DataType::decimal(precision, scale);
      case TypeId::kArray: {
        auto e = element->canonical(drop_all_null);
        return e ? std::optional<DataType>(DataType::array(*e)) : std::nullopt;
      }
      case TypeId::kStruct: {
        std::vector<plan::StructField> out;
        for (const auto& [name, type] : fields) {
          if (name.empty()) continue;
          if (auto t = type.canonical(drop_all_null)) out.push_back(plan::make_field(name, *t));
        }
        return out.empty() ? std::nullopt : std::optional<DataType>(DataType::structure(std::move(out)));
      }
      default: return DataType(id);
    }
  }
};

namespace {

using Type = JsonTypeMerger::Type;

void infer_decimal(std::string_view text, Type& into) {
  auto d = BigDecimal::parse(text);
  if (!d) return into.add_scalar(TypeId::kDouble);
  int64_t p = std::max<int64_t>(d->precision(), d->scale);
  if (p > 38 || d->scale < 0) into.add_scalar(TypeId::kDouble);
  else into.add_scalar(TypeId::kDecimal, static_cast<int>(p), static_cast<int>(d->scale));
}

void infer_value(JsonCursor& c, const JsonOptions& o, Type& into) {
  char first = c.peek();
  if (c.is_quote(first)) {
    bool in_place;
    std::string_view text = c.string(in_place);
    if (text.empty()) return;
    if (o.prefers_decimal) {
      std::string plain;
      for (char ch : text) {
        if (ch != ',') plain += ch;
      }
      if (auto d = BigDecimal::parse(plain); d && d->scale >= 0 && d->precision() <= 38 && d->scale <= d->precision()) {
        return into.add_scalar(TypeId::kDecimal, d->precision(), static_cast<int>(d->scale));
      }
    }
    if (o.infer_timestamp && into.id != TypeId::kString) {
      if (o.timestamp_ntz_default && o.datetime.infers_timestamp_ntz(text)) return into.add_scalar(TypeId::kTimestampNtz);
      if (o.datetime.infers_timestamp(text)) return into.add_scalar(TypeId::kTimestamp);
    }
    return into.add_scalar(TypeId::kString);
  }
  switch (first) {
    case '{': {
      if (into.id != TypeId::kNull && into.id != TypeId::kStruct) {
        into.become_string();
        return c.skip_value();
      }
      into.id = TypeId::kStruct;
      c.enter();
      std::string_view name;
      auto hint = into.fields.begin();
      for (bool more = c.next_field(true, name); more; more = c.next_field(false, name)) {
        if (hint == into.fields.end() || hint->first != name) {
          hint = into.fields.find(name);
          if (hint == into.fields.end()) hint = into.fields.emplace(std::string(name), Type()).first;
        }
        infer_value(c, o, hint->second);
        ++hint;
      }
      return;
    }
    case '[': {
      if (into.id != TypeId::kNull && into.id != TypeId::kArray) {
        into.become_string();
        return c.skip_value();
      }
      into.id = TypeId::kArray;
      if (!into.element) into.element = std::make_unique<Type>();
      c.enter();
      for (bool more = c.next_element(true); more; more = c.next_element(false)) infer_value(c, o, *into.element);
      return;
    }
    case 't':
    case 'f':
      c.skip_value();
      return into.add_scalar(o.primitives_as_string ? TypeId::kString : TypeId::kBoolean);
    case 'n': return c.skip_value();
    default: break;
  }
  if (!c.at_number(first)) throw JsonSyntaxError();
  JsonCursor::Number kind;
  std::string_view text = c.number(kind);
  if (o.primitives_as_string) return into.add_scalar(TypeId::kString);
  if (kind == JsonCursor::Number::kInt) {
    if (text.size() < 19 || parse_java_long(text)) into.add_scalar(TypeId::kLong);
    else infer_decimal(text, into);
  } else if (kind == JsonCursor::Number::kFloat && o.prefers_decimal) {
    infer_decimal(text, into);
  } else {
    into.add_scalar(TypeId::kDouble);
  }
}

std::string type_text(const Type& t) {
  auto c = t.canonical(false);
  return c ? c->sql() : "VOID";
}

}  // namespace

JsonOptions JsonOptions::read(const Options& options, const plan::SessionConf& conf) {
  JsonOptions o;
  o.leniency.comments = options.flag("allowComments", false);
  o.leniency.unquoted_names = options.flag("allowUnquotedFieldNames", false);
  o.leniency.single_quotes = options.flag("allowSingleQuotes", true);
  o.leniency.leading_zeros = options.flag("allowNumericLeadingZeros", false);
  o.leniency.non_numeric = options.flag("allowNonNumericNumbers", true);
  o.leniency.backslash_any = options.flag("allowBackslashEscapingAnyCharacter", false);
  o.leniency.control_chars = options.flag("allowUnquotedControlChars", false);
  o.primitives_as_string = options.flag("primitivesAsString", false);
  o.prefers_decimal = options.flag("prefersDecimal", false);
  o.drop_all_null = options.flag("dropFieldIfAllNull", false);
  o.multi_line = options.flag("multiLine", false);
  o.infer_timestamp = options.flag("inferTimestamp", false);
  o.partial_results = conf.flag("spark.sql.json.enablePartialResults");
  o.empty_string_is_null = conf.flag("spark.sql.legacy.json.allowEmptyString.enabled");
  if (auto sep = options.find("lineSep")) {
    if (sep->empty()) throw SparkError::Plain(ErrorKind::kIllegalArgument, "requirement failed: 'lineSep' cannot be an empty string.");
    o.line_separator = *sep;
  }
  if (auto charset = options.find("encoding"); charset || (charset = options.find("charset"))) {
    o.charset = checked_charset(*charset, "JSONOptions", conf.flag("spark.sql.legacy.javaCharsets"));
    o.charset_given = true;
    if ((o.charset == "UTF-16" || o.charset == "UTF-32") && !o.multi_line) {
      throw SparkError::Plain(ErrorKind::kIllegalArgument,
                              "requirement failed: The " + o.charset + " encoding in the denyList is not allowed when multiLine is disabled.");
    }
    if (!o.multi_line && o.charset != "UTF-8" && o.line_separator.empty()) {
      throw SparkError::Plain(ErrorKind::kIllegalArgument,
                              "requirement failed: The lineSep option must be specified for the " + o.charset + " encoding");
    }
  }
  o.mode = parse_mode(options);
  o.corrupt_column = options.text("columnNameOfCorruptRecord", conf.text("spark.sql.columnNameOfCorruptRecord"));
  o.sampling_ratio = options.real("samplingRatio", 1.0);
  if (o.sampling_ratio <= 0) {
    throw SparkError::Plain(ErrorKind::kIllegalArgument,
                            "requirement failed: samplingRatio (" + options.text("samplingRatio", "") + ") should be greater than 0");
  }
  o.datetime = datetime_options(options, conf, "", "spark.sql.legacy.json.enableDateTimeParsingFallback");
  if (options.has("singleVariantColumn")) throw not_built("the JSON option singleVariantColumn");
  o.timestamp_ntz_default = lower(conf.text("spark.sql.timestampType")) == "timestamp_ntz";
  return o;
}

JsonTypeMerger::JsonTypeMerger(const JsonOptions& options) : options_(options), cursor_(options.leniency), root_(std::make_unique<Type>()) {
  root_->id = TypeId::kStruct;
}
JsonTypeMerger::~JsonTypeMerger() = default;

void JsonTypeMerger::bad_record() {
  switch (options_.mode) {
    case ParseMode::kPermissive: root_->fields[options_.corrupt_column].add_scalar(TypeId::kString); break;
    case ParseMode::kDropMalformed: break;
    case ParseMode::kFailFast:
      throw SparkError(ErrorKind::kSpark, "MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION",
                       {{"badRecord", options_.corrupt_column}, {"failFastMode", "FAILFAST"}});
  }
}

// Top-level arrays are taken apart; whatever is no object there cannot become a row.
void JsonTypeMerger::add_root(JsonCursor& c) {
  char first = c.peek();
  if (first == '{') return infer_value(c, options_, *root_);
  if (first == '[') {
    c.enter();
    for (bool more = c.next_element(true); more; more = c.next_element(false)) add_root(c);
    return;
  }
  if (first == 'n') return c.skip_value();
  Type t;
  infer_value(c, options_, t);
  if (t.id == TypeId::kNull) return;  // an empty string
  if (options_.mode == ParseMode::kFailFast) {
    throw SparkError(ErrorKind::kSpark, "INVALID_JSON_RECORD_TYPE", {{"failFastMode", "FAILFAST"}, {"invalidType", quote_sql(type_text(t))}});
  }
  bad_record();
}

void JsonTypeMerger::add(std::string_view document) {
  if (document.starts_with("\xEF\xBB\xBF")) document.remove_prefix(3);
  cursor_.reset(document.data(), document.data() + document.size());
  try {
    if (cursor_.peek() == '\0') return;
    const char* begin = cursor_.position();
    if (!simdjson::validate_utf8(document.data(), document.size())) throw JsonSyntaxError();
    cursor_.skip_value();  // a record counts only if all of it is JSON
    cursor_.reset(begin, document.data() + document.size());
    add_root(cursor_);
  } catch (const JsonSyntaxError&) {
    bad_record();
  }
}

void JsonTypeMerger::merge(const JsonTypeMerger& other) { root_->merge(*other.root_); }

DataType JsonTypeMerger::result() const {
  auto t = root_->canonical(options_.drop_all_null);
  return t ? *t : DataType::structure({});
}

std::optional<DataType> infer_json_schema(const std::vector<DataFile>& files, const JsonOptions& o, const ScanSettings& settings) {
  if (files.empty()) return std::nullopt;
  JsonTypeMerger all(o);
  if (o.multi_line) {
    Sampler sampler(o.sampling_ratio);
    for (const auto& file : files) {
      if (!sampler.take()) continue;
      read_for_inference(file, settings, [&](const DataFile& f) {
        std::string text = read_all(*open_file(f.path, json_charset(o, f)));
        text.append(BlockBuffer::kPadding, '\n');
        all.add({text.data(), text.size() - BlockBuffer::kPadding});
      });
    }
    return all.result();
  }
  size_t count = inference_workers(files);
  std::vector<std::unique_ptr<JsonTypeMerger>> mergers;
  std::vector<Sampler> samplers(count, Sampler(o.sampling_ratio));
  for (size_t i = 0; i < count; ++i) mergers.push_back(std::make_unique<JsonTypeMerger>(o));
  auto cut = [&](std::string_view bytes) { return complete_lines(bytes, o.line_separator); };
  for_each_block(files, o.charset, cut, settings, count, [&](size_t worker, const BlockPtr& block) {
    BlockLines lines(block, o.line_separator);
    std::string_view line;
    while (lines.next(line)) {
      if (samplers[worker].take()) mergers[worker]->add(line);
    }
    return true;
  });
  for (const auto& m : mergers) all.merge(*m);
  return all.result();
}

std::string json_charset(const JsonOptions& o, const DataFile& file) {
  if (o.charset_given) return o.charset;
  auto stream = open_file(file.path);
  unsigned char b[4] = {1, 1, 1, 1};
  size_t got = 0;
  while (got < 4) {
    size_t n = stream->read(reinterpret_cast<char*>(b) + got, 4 - got);
    if (n == 0) break;
    got += n;
  }
  if (got < 4) return "UTF-8";
  if (b[0] == 0 && b[1] == 0 && b[2] == 0) return "UTF-32BE";
  if (b[1] == 0 && b[2] == 0 && b[3] == 0) return "UTF-32LE";
  if ((b[0] == 0xfe && b[1] == 0xff) || (b[0] == 0xff && b[1] == 0xfe)) return "UTF-16";
  if (b[0] == 0) return "UTF-16BE";
  if (b[1] == 0) return "UTF-16LE";
  return "UTF-8";
}

}  // namespace tarn::engine::sources
