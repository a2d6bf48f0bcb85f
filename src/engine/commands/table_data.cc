#include "engine/commands/table_data.h"

#include <filesystem>

#include "base/io_error.h"
#include "engine/commands/delta_tables.h"
#include "engine/commands/support.h"

namespace tarn::engine::commands {

namespace fs = std::filesystem;

namespace {

bool is_local(const std::string& location) { return location.starts_with("file:") || location.starts_with("/"); }

// Hive's escaping of partition values in paths (ExternalCatalogUtils.escapePathName).
std::string escape_path(const std::string& value) {
  static constexpr char kSpecial[] = "\"#%'*/:=?\\\x7f{[]^";
  std::string out;
  for (unsigned char c : value) {
    if (c < 0x20 || std::string_view(kSpecial).find(static_cast<char>(c)) != std::string_view::npos) {
      char buffer[4];
      std::snprintf(buffer, sizeof buffer, "%%%02X", c);
      out += buffer;
    } else {
      out += static_cast<char>(c);
    }
  }
  return out;
}

std::string unescape_path(const std::string& value) {
  std::string out;
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '%' && i + 2 < value.size() && std::isxdigit(static_cast<unsigned char>(value[i + 1])) &&
        std::isxdigit(static_cast<unsigned char>(value[i + 2]))) {
      out += static_cast<char>(std::stoi(value.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      out += value[i];
    }
  }
  return out;
}

void collect_partitions(const fs::path& directory, const catalog::TableInfo& table, catalog::Pairs& spec,
                        std::vector<catalog::PartitionInfo>& out) {
  if (spec.size() == table.partition_columns.size()) {
    out.push_back({spec, catalog::location_of_path(directory.string())});
    return;
  }
  std::vector<fs::path> children;
  for (auto& entry : fs::directory_iterator(directory)) {
    if (entry.is_directory()) children.push_back(entry.path());
  }
  std::sort(children.begin(), children.end());
  const std::string& column = table.partition_columns[spec.size()];
  for (auto& child : children) {
    std::string name = child.filename().string();
    size_t equals = name.find('=');
    if (equals == std::string::npos || catalog::lower(unescape_path(name.substr(0, equals))) != catalog::lower(column)) continue;
    spec.emplace_back(column, unescape_path(name.substr(equals + 1)));
    collect_partitions(child, table, spec, out);
    spec.pop_back();
  }
}

}  // namespace

void remove_data(const std::string& location) {
  if (!is_local(location)) return;
  fs::path path = catalog::path_of_location(location);
  // Never above a table: an empty or root path would be a catastrophe.
  if (path.empty() || path == path.root_path()) return;
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw IoError(IoError::Kind::kOther, "remove the data of a dropped table", path.string(), error.message());
}

void empty_directory(const std::string& location) {
  if (!is_local(location)) throw not_built("TRUNCATE TABLE outside the local file system");
  fs::path path = catalog::path_of_location(location);
  if (!fs::exists(path)) return;
  for (auto& entry : fs::directory_iterator(path)) fs::remove_all(entry.path());
}

void forget_table(const catalog::TableInfo& table, CommandHost& host) {
  if (!table.is_view()) host.invalidate(table.location, true);
}

void data_changed(const catalog::TableInfo& table, CommandHost& host) {
  if (!table.is_view()) host.invalidate(table.location, false);
}

void set_table_comment(const catalog::TableInfo& table, const std::optional<std::string>& comment, CommandHost& host) {
  if (table.is_delta()) delta_set_comment(table, comment, host);
  host.analyzer().catalog.alter_table(table.catalog, table.schema, table.name, [&](catalog::TableInfo& t) { t.comment = comment; });
}

std::string partition_path(const catalog::Pairs& spec) {
  std::string out;
  for (auto& [k, v] : spec) out += (out.empty() ? "" : "/") + escape_path(k) + "=" + escape_path(v);
  return out;
}

std::pair<int64_t, int64_t> data_size(const std::string& location) {
  int64_t bytes = 0, files = 0;
  if (!is_local(location)) return {0, 0};
  std::error_code error;
  fs::recursive_directory_iterator it(catalog::path_of_location(location), error), end;
  for (; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    bool hidden = name.starts_with(".") || (name.starts_with("_") && name.find('=') == std::string::npos);
    if (hidden) {
      if (it->is_directory()) it.disable_recursion_pending();
      continue;
    }
    if (it->is_regular_file()) {
      bytes += static_cast<int64_t>(it->file_size());
      ++files;
    }
  }
  return {bytes, files};
}

std::vector<catalog::PartitionInfo> discover_partitions(const catalog::TableInfo& table) {
  std::vector<catalog::PartitionInfo> out;
  if (!is_local(table.location)) throw not_built("partition discovery outside the local file system");
  fs::path path = catalog::path_of_location(table.location);
  if (!fs::is_directory(path)) return out;
  catalog::Pairs spec;
  collect_partitions(path, table, spec, out);
  return out;
}

}  // namespace tarn::engine::commands
