// The schema of CSV files. Source: CSVInferSchema, CSVUtils.makeSafeHeader.
#include <simdjson.h>

#include <algorithm>
#include <map>
#include <set>

#include "engine/datetime_format.h"
#include "engine/datetime_parse.h"
#include "engine/sources/csv_format.h"
#include "engine/sources/csv_tokenizer.h"
#include "engine/sources/java_number.h"
#include "engine/sources/file_blocks.h"
#include "engine/sources/line_source.h"

namespace tarn::engine::sources {
namespace {

using plan::DataType;
using plan::TypeId;

DataType try_boolean(std::string_view s) {
  return equal_ignore_case(s, "true") || equal_ignore_case(s, "false") ? TypeId::kBoolean : TypeId::kString;
}
DataType try_timestamp(std::string_view s, const CsvOptions& o) {
  return o.datetime.infers_timestamp(s) ? DataType(TypeId::kTimestamp) : try_boolean(s);
}
DataType try_timestamp_ntz(std::string_view s, const CsvOptions& o) {
  if (o.timestamp_ntz_default && o.datetime.infers_timestamp_ntz(s)) return TypeId::kTimestampNtz;
  return try_timestamp(s, o);
}
DataType try_date(std::string_view s, const CsvOptions& o) {
  return o.datetime.infers_date(s) ? DataType(TypeId::kDate) : try_timestamp_ntz(s, o);
}
DataType try_double(std::string_view s, const CsvOptions& o) {
  if (parse_java_double(s) || s == o.nan_value || s == o.negative_inf || s == o.positive_inf) return TypeId::kDouble;
  return o.prefer_date ? try_date(s, o) : try_timestamp_ntz(s, o);
}
DataType try_decimal(std::string_view s, const CsvOptions& o) {
  // Only whole numbers, and no negative scale (1E10): those are doubles.
  if (auto d = BigDecimal::parse(s); d && d->scale == 0 && d->precision() <= 38) return DataType::decimal(d->precision(), 0);
  return try_double(s, o);
}
DataType try_long(std::string_view s, const CsvOptions& o) { return parse_java_long(s) ? DataType(TypeId::kLong) : try_decimal(s, o); }
DataType try_integer(std::string_view s, const CsvOptions& o) { return parse_java_int(s) ? DataType(TypeId::kInt) : try_long(s, o); }

// The type that holds both. Source: CSVInferSchema.compatibleType over TypeCoercion.findTightestCommonType.
DataType compatible(const DataType& a, const DataType& b, const CsvOptions& o) {
  if (a.id() == TypeId::kNull) return b;
  if (b.id() == TypeId::kNull) return a;
  if (a.same_type(b)) return a;
  auto is_ts = [](const DataType& t) { return t.id() == TypeId::kTimestamp || t.id() == TypeId::kTimestampNtz; };
  if ((a.id() == TypeId::kDate && is_ts(b)) || (b.id() == TypeId::kDate && is_ts(a))) {
    const DataType& ts = is_ts(a) ? a : b;
    // Without a pattern the timestamp parser is lenient and takes dates of these forms too.
    static const std::set<std::string> kLenient = {"yyyy-MM-dd", "yyyy-M-d", "yyyy-M-dd", "yyyy-MM-d", "yyyy-MM", "yyyy-M", "yyyy"};
    bool no_pattern = ts.id() == TypeId::kTimestamp ? !o.datetime.timestamp : !o.datetime.timestamp_ntz;
    return no_pattern && kLenient.contains(o.date_format.value_or("yyyy-MM-dd")) ? ts : DataType(TypeId::kString);
  }
  if (is_ts(a) && is_ts(b)) return TypeId::kTimestamp;
  auto rank = [](const DataType& t) { return t.id() == TypeId::kInt ? 1 : t.id() == TypeId::kLong ? 2 : t.id() == TypeId::kDouble ? 3 : 0; };
  if (rank(a) && rank(b)) return rank(a) > rank(b) ? a : b;
  if (a.id() == TypeId::kDecimal || b.id() == TypeId::kDecimal) {
    if (a.id() == TypeId::kDouble || b.id() == TypeId::kDouble) return TypeId::kDouble;
    auto decimal = [&](const DataType& t) -> std::optional<DataType> {
      if (t.id() == TypeId::kDecimal) return t;
      if (t.is_integral()) return plan::decimal_for(t.id());
      return std::nullopt;
    };
    auto x = decimal(a), y = decimal(b);
    if (x && y) {
      int scale = std::max(x->scale(), y->scale());
      int range = std::max(x->precision() - x->scale(), y->precision() - y->scale());
      return range + scale > 38 ? DataType(TypeId::kDouble) : DataType::decimal(range + scale, scale);
    }
  }
  return TypeId::kString;
}

std::vector<std::string> safe_header(const std::vector<std::string>& row, const CsvOptions& o) {
  std::vector<std::string> out;
  std::map<std::string, int> count;
  for (const auto& v : row) ++count[o.case_sensitive ? v : lower(v)];
  for (size_t i = 0; i < row.size(); ++i) {
    const std::string& v = row[i];
    std::string index = std::to_string(i);
    if (!o.header || v.empty() || v == o.null_value) out.push_back("_c" + index);
    else if (count[o.case_sensitive ? v : lower(v)] > 1) out.push_back(v + index);
    else out.push_back(v);
  }
  return out;
}

std::vector<std::string> copy_tokens(const std::vector<CsvToken>& tokens) {
  std::vector<std::string> out;
  for (const auto& t : tokens) out.emplace_back(t.view());
  return out;
}

bool blank(std::string_view line) {
  return std::all_of(line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) <= ' '; });
}

// Values that may differ in bytes but not in UTF-8.
std::string_view as_utf8(std::string_view line, std::string& storage) {
  if (simdjson::validate_utf8(line.data(), line.size())) return line;
  storage = repair_utf8(line);
  return storage;
}

struct Inference {
  const CsvOptions& o;
  std::vector<DataType> types;
  void row(const std::vector<CsvToken>& tokens) {
    size_t n = std::min(types.size(), tokens.size());
    for (size_t i = 0; i < n; ++i) {
      if (types[i].id() != TypeId::kString) types[i] = infer_csv_type(types[i], tokens[i].view(), o);
    }
  }
  bool settled() const {
    return std::all_of(types.begin(), types.end(), [](const DataType& t) { return t.id() == TypeId::kString; });
  }
};

// One record of a multiLine file after the other.
template <class Fn>
void for_each_record(const DataFile& file, const CsvOptions& o, Fn fn) {
  auto stream = open_file(file.path, o.charset);
  std::string bytes;
  bool final = false;
  size_t at = 0;
  CsvTokenizer tokenizer(o);
  std::vector<CsvToken> tokens;
  auto refill = [&] {
    bytes.erase(0, at);
    at = 0;
    size_t used = bytes.size();
    bytes.resize(std::max<size_t>(1 << 20, used * 2));
    while (used < bytes.size()) {
      size_t got = stream->read(bytes.data() + used, bytes.size() - used);
      if (got == 0) {
        final = true;
        break;
      }
      used += got;
    }
    bytes.resize(used);
  };
  refill();
  tokenizer.detect_line_separator(bytes);
  for (;;) {
    const char* p = bytes.data() + at;
    auto next = tokenizer.record(p, bytes.data() + bytes.size(), final, tokens);
    if (next == CsvTokenizer::Next::kNeedMore) {
      refill();
      continue;
    }
    if (next == CsvTokenizer::Next::kEnd) return;
    at = static_cast<size_t>(p - bytes.data());
    if (next == CsvTokenizer::Next::kSkipped) continue;
    if (next == CsvTokenizer::Next::kFailed) throw SparkError(ErrorKind::kRuntime, "MALFORMED_CSV_RECORD", {{"badRecord", ""}});
    if (!fn(tokens)) return;
  }
}

}  // namespace

DataType infer_csv_type(const DataType& so_far, std::string_view field, const CsvOptions& o) {
  if (field.empty() || field == o.null_value) return so_far;
  DataType found;
  switch (so_far.id()) {
    case TypeId::kNull:
    case TypeId::kInt: found = try_integer(field, o); break;
    case TypeId::kLong: found = try_long(field, o); break;
    case TypeId::kDecimal: found = try_decimal(field, o); break;
    case TypeId::kDouble: found = try_double(field, o); break;
    case TypeId::kDate: found = try_date(field, o); break;
    case TypeId::kTimestampNtz: found = try_timestamp_ntz(field, o); break;
    case TypeId::kTimestamp: found = try_timestamp(field, o); break;
    case TypeId::kBoolean: found = try_boolean(field); break;
    default: return TypeId::kString;
  }
  return compatible(so_far, found, o);
}

std::optional<DataType> infer_csv_schema(const std::vector<DataFile>& files, const CsvOptions& o, const ScanSettings& settings) {
  if (files.empty()) return std::nullopt;
  std::optional<std::vector<std::string>> first;
  std::string first_line;
  CsvTokenizer tokenizer(o);
  std::vector<CsvToken> tokens;
  auto data_line = [&](std::string_view line) { return !blank(line) && !(o.comment != '\0' && line[0] == o.comment); };
  for (const auto& file : files) {
    if (first) break;
    read_for_inference(file, settings, [&](const DataFile& f) {
      if (o.multi_line) {
        for_each_record(f, o, [&](const std::vector<CsvToken>& t) {
          first = copy_tokens(t);
          return false;
        });
        return;
      }
      LineSource lines(f, o.charset, o.line_separator);
      std::string_view line;
      std::string fixed;
      while (!first && lines.next(line)) {
        if (!data_line(line)) continue;
        line = as_utf8(line, fixed);
        first_line = line;
        if (!tokenizer.line(line.data(), line.data() + line.size(), tokens, SIZE_MAX)) {
          throw SparkError(ErrorKind::kRuntime, "MALFORMED_CSV_RECORD", {{"badRecord", first_line}});
        }
        first = copy_tokens(tokens);
      }
    });
  }
  if (!first) return DataType::structure({});
  std::vector<std::string> header = safe_header(*first, o);
  std::vector<DataType> types(header.size(), TypeId::kNull);
  if (o.infer_schema && o.multi_line) {
    Inference inference{o, types};
    Sampler sampler(o.sampling_ratio);
    for (const auto& file : files) {
      bool skip = o.header;
      read_for_inference(file, settings, [&](const DataFile& f) {
        for_each_record(f, o, [&](const std::vector<CsvToken>& t) {
          if (skip) skip = false;
          else if (sampler.take()) inference.row(t);
          return true;
        });
      });
    }
    types = std::move(inference.types);
  } else if (o.infer_schema) {
    // Blocks are independent: what the threads found is merged at the end, as Spark merges its partitions.
    struct Worker {
      Inference inference;
      CsvTokenizer tokenizer;
      Sampler sampler;
      std::vector<CsvToken> row;
      std::string fixed;
    };
    size_t count = inference_workers(files);
    std::vector<std::unique_ptr<Worker>> workers;
    for (size_t i = 0; i < count; ++i) {
      workers.push_back(std::unique_ptr<Worker>(new Worker{{o, types}, CsvTokenizer(o), Sampler(o.sampling_ratio), {}, {}}));
    }
    auto cut = [&](std::string_view bytes) { return complete_lines(bytes, o.line_separator); };
    for_each_block(files, o.charset, cut, settings, count, [&](size_t worker, const BlockPtr& block) {
      Worker& w = *workers[worker];
      bool utf8 = simdjson::validate_utf8(block->data.get(), block->size);
      BlockLines lines(block, o.line_separator);
      std::string_view line;
      while (lines.next(line)) {
        if (!w.sampler.take() || !data_line(line)) continue;
        if (!utf8) line = as_utf8(line, w.fixed);
        if (o.header && line == first_line) continue;
        if (!w.tokenizer.line(line.data(), line.data() + line.size(), w.row, SIZE_MAX)) {
          throw SparkError(ErrorKind::kRuntime, "MALFORMED_CSV_RECORD", {{"badRecord", std::string(line)}});
        }
        w.inference.row(w.row);
      }
      return !w.inference.settled();
    });
    for (const auto& w : workers) {
      for (size_t c = 0; c < types.size(); ++c) types[c] = compatible(types[c], w->inference.types[c], o);
    }
  }
  std::vector<plan::StructField> fields;
  for (size_t i = 0; i < header.size(); ++i) {
    fields.push_back(plan::make_field(header[i], types[i].id() == TypeId::kNull ? DataType(TypeId::kString) : types[i]));
  }
  return DataType::structure(std::move(fields));
}

}  // namespace tarn::engine::sources
