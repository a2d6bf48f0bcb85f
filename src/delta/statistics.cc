#include "delta/statistics.h"

#include <simdjson.h>

#include <algorithm>
#include <cctype>
#include <set>

namespace tarn::delta {
namespace {

namespace od = simdjson::ondemand;

void read_scalars(od::object object, std::string& path, const std::set<std::string>* wanted, std::map<std::string, StatScalar>& out) {
  for (auto field : object) {
    std::string_view key = field.unescaped_key();
    size_t length = path.size();
    if (!path.empty()) path += kPathSeparator;
    path += key;
    od::value v = field.value();
    od::json_type type = v.type().value();
    bool keep = type == od::json_type::object || !wanted || wanted->count(path) > 0;
    switch (keep ? type : od::json_type::null) {
      case od::json_type::object: read_scalars(v.get_object(), path, wanted, out); break;
      case od::json_type::string: {
        std::string_view text;
        if (!v.get_string().get(text)) out[path] = {std::string(text), true};
        break;
      }
      case od::json_type::number:
      case od::json_type::boolean: {
        std::string_view token = v.raw_json_token();
        while (!token.empty() && std::isspace(static_cast<unsigned char>(token.back()))) token.remove_suffix(1);
        out[path] = {std::string(token), false};
        break;
      }
      default: break;
    }
    path.resize(length);
  }
}

struct Utf8 {
  size_t bytes;
  uint32_t code_point;
};
Utf8 decode(std::string_view s, size_t i) {
  auto b = static_cast<unsigned char>(s[i]);
  size_t n = b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
  n = std::min(n, s.size() - i);
  uint32_t cp = n == 1 ? b : b & (0x7fu >> n);
  for (size_t k = 1; k < n; ++k) cp = cp << 6 | (static_cast<unsigned char>(s[i + k]) & 0x3f);
  return {n, cp};
}

bool has_bounds(const Type& t) {
  return t.kind == Type::Kind::kPrimitive && t.name != "boolean" && t.name != "binary" && t.name != "variant" && t.name != "void";
}

void collect(const Field& f, std::vector<std::string> logical, std::vector<std::string> physical, std::vector<StatColumn>& out) {
  logical.push_back(f.name);
  physical.push_back(f.physical_name());
  if (f.type.kind == Type::Kind::kStruct) {
    for (const auto& inner : f.type.fields) collect(inner, logical, physical, out);
  } else {
    out.push_back({std::move(logical), std::move(physical), f.type, has_bounds(f.type)});
  }
}

std::string lower(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return std::tolower(c); });
  return s;
}

// Column names separated by commas, parts by dots, quoted by backticks.
std::vector<std::vector<std::string>> parse_columns(const std::string& text) {
  std::vector<std::vector<std::string>> out;
  std::vector<std::string> parts;
  std::string part;
  bool quoted = false, any = false;
  auto end_part = [&] {
    if (any) parts.push_back(std::exchange(part, {}));
    any = false;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (quoted) {
      if (c != '`') {
        part += c;
      } else if (i + 1 < text.size() && text[i + 1] == '`') {
        part += text[++i];
      } else {
        quoted = false;
      }
    } else if (c == '`') {
      quoted = any = true;
    } else if (c == '.') {
      end_part();
    } else if (c == ',') {
      end_part();
      if (!parts.empty()) out.push_back(std::exchange(parts, {}));
    } else if (!std::isspace(static_cast<unsigned char>(c))) {
      part += c;
      any = true;
    }
  }
  end_part();
  if (!parts.empty()) out.push_back(parts);
  return out;
}

}  // namespace

std::optional<FileStatistics> FileStatistics::parse(std::string_view json, const std::set<std::string>* wanted) {
  if (json.empty()) return std::nullopt;
  try {
    simdjson::padded_string padded(json);
    od::parser parser;
    auto document = parser.iterate(padded);
    FileStatistics out;
    std::string path;
    for (auto field : document.get_object()) {
      std::string_view key = field.unescaped_key();
      if (key == "numRecords") {
        out.num_records = static_cast<int64_t>(field.value().get_int64());
      } else if (key == "tightBounds") {
        bool tight;
        if (!field.value().get_bool().get(tight)) out.tight_bounds = tight;
      } else if (key == "minValues" || key == "maxValues" || key == "nullCount") {
        od::object o;
        if (field.value().get_object().get(o)) continue;
        if (key == "minValues") {
          read_scalars(o, path, wanted, out.min_values);
        } else if (key == "maxValues") {
          read_scalars(o, path, wanted, out.max_values);
        } else {
          std::map<std::string, StatScalar> counts;
          read_scalars(o, path, wanted, counts);
          for (auto& [k, v] : counts) out.null_count[k] = std::atoll(v.text.c_str());
        }
      }
    }
    return out;
  } catch (const simdjson::simdjson_error&) {
    return std::nullopt;
  }
}

std::optional<int64_t> FileStatistics::records_of(std::string_view json) {
  size_t at = json.find("\"numRecords\":");
  if (at == std::string_view::npos) return std::nullopt;
  at += 13;
  while (at < json.size() && json[at] == ' ') ++at;
  int64_t n = 0;
  size_t start = at;
  while (at < json.size() && std::isdigit(static_cast<unsigned char>(json[at]))) n = n * 10 + (json[at++] - '0');
  return at == start ? std::nullopt : std::optional(n);
}

std::vector<StatColumn> stat_columns(const Metadata& metadata, const Schema& schema) {
  std::set<std::string> partition;
  for (const auto& c : metadata.partition_columns) partition.insert(lower(c));
  std::vector<StatColumn> all;
  for (const auto& f : schema.fields) {
    if (!partition.count(lower(f.name))) collect(f, {}, {}, all);
  }
  std::string named = metadata.property("delta.dataSkippingStatsColumns");
  if (!named.empty()) {
    auto wanted = parse_columns(named);
    std::vector<StatColumn> out;
    for (auto& c : all) {
      bool in = std::any_of(wanted.begin(), wanted.end(), [&](const std::vector<std::string>& w) {
        return w.size() <= c.logical.size() &&
               std::equal(w.begin(), w.end(), c.logical.begin(), [](const std::string& a, const std::string& b) { return lower(a) == lower(b); });
      });
      if (in) out.push_back(std::move(c));
    }
    return out;
  }
  long limit = std::atol(metadata.property("delta.dataSkippingNumIndexedCols", "32").c_str());
  if (limit >= 0 && all.size() > static_cast<size_t>(limit)) all.resize(static_cast<size_t>(limit));
  return all;
}

std::string truncate_min(std::string_view text) {
  size_t i = 0;
  for (int n = 0; n < 32 && i < text.size(); ++n) i += decode(text, i).bytes;
  return std::string(text.substr(0, i));
}

std::optional<std::string> truncate_max(std::string_view text) {
  // Cut at 32 UTF-16 units (not inside a pair), then append the largest character; a prefix whose next character is itself the largest
  // cannot be made larger that way, so it grows, to 64 at most.
  size_t i = 0, units = 0;
  while (i < text.size()) {
    auto c = decode(text, i);
    size_t u = c.code_point > 0xffff ? 2 : 1;
    if (units + u > 32 && !(c.code_point == 0x10ffff && units + u <= 64)) break;
    i += c.bytes;
    units += u;
  }
  if (i >= text.size()) return std::string(text);
  if (decode(text, i).code_point == 0x10ffff) return std::nullopt;
  return std::string(text.substr(0, i)) + "\xf4\x8f\xbf\xbf";
}

}  // namespace tarn::delta
