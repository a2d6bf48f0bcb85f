#include "engine/commands/table_data.h"

#include "base/io_error.h"
#include "engine/commands/delta_tables.h"
#include "engine/commands/support.h"
#include "storage/parallel.h"
#include "storage/path.h"

namespace tarn::engine::commands {

namespace {

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

void collect_partitions(storage::ObjectStore& store, const std::string& directory, const catalog::TableInfo& table, catalog::Pairs& spec,
                        std::vector<catalog::PartitionInfo>& out) {
  if (spec.size() == table.partition_columns.size()) {
    out.push_back({spec, catalog::location_of_path(directory)});
    return;
  }
  const std::string& column = table.partition_columns[spec.size()];
  for (auto& child : store.list(directory)) {
    if (!child.is_directory) continue;
    std::string name = storage::file_name(child.path);
    size_t equals = name.find('=');
    if (equals == std::string::npos || catalog::lower(unescape_path(name.substr(0, equals))) != catalog::lower(column)) continue;
    spec.emplace_back(column, unescape_path(name.substr(equals + 1)));
    collect_partitions(store, child.path, table, spec, out);
    spec.pop_back();
  }
}

}  // namespace

void remove_data(const std::string& location) {
  std::string path = catalog::path_of_location(location);
  // Never above a table: an empty or root path would be a catastrophe.
  if (path.empty() || storage::normalize(path).ends_with('/')) return;
  storage::store_for(path).remove_recursive(path);
}

void empty_directory(const std::string& location) {
  std::string path = catalog::path_of_location(location);
  auto& store = storage::store_for(path);
  auto info = store.stat(path);
  if (!info) return;
  std::vector<std::string> files;
  storage::InFlight directories(16);
  for (auto& entry : store.list(path)) {
    if (!entry.is_directory) files.push_back(entry.path);
    else if (store.is_local()) store.remove_recursive(entry.path);
    else directories.start([&store, path = entry.path] { store.remove_recursive(path); });
  }
  store.remove_files(files);
  directories.wait();
}

void make_directory(const std::string& location) {
  std::string path = catalog::path_of_location(location);
  storage::store_for(path).make_directories(path);
}

bool has_content(const std::string& location) {
  std::string path = catalog::path_of_location(location);
  auto& store = storage::store_for(path);
  auto info = store.stat(path);
  return info && (!info->is_directory || !store.list(path).empty());
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
  try {
    for (const auto& f : storage::list_data_files(catalog::path_of_location(location), true)) {
      bytes += static_cast<int64_t>(f.size);
      ++files;
    }
  } catch (const IoError& e) {
    if (e.kind() != IoError::Kind::kNotFound) throw;
  }
  return {bytes, files};
}

std::vector<catalog::PartitionInfo> discover_partitions(const catalog::TableInfo& table) {
  std::vector<catalog::PartitionInfo> out;
  std::string path = catalog::path_of_location(table.location);
  auto& store = storage::store_for(path);
  auto info = store.stat(path);
  if (!info || !info->is_directory) return out;
  catalog::Pairs spec;
  collect_partitions(store, path, table, spec, out);
  return out;
}

}  // namespace tarn::engine::commands
