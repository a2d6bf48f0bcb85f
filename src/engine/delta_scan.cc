// The scan is DuckDB's own Parquet scan with another MultiFileReader: that one says which files there are, what the columns are called in
// them, which columns are constant in a file, and which rows are deleted.
#include "engine/delta_scan.h"

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <unordered_map>

#include "base/io_error.h"
#include "base/spark_error.h"
#include "delta/snapshot.h"
#include "delta/statistics.h"
#include "duckdb/catalog/catalog.hpp"
#include "duckdb/catalog/catalog_entry/table_function_catalog_entry.hpp"
#include "duckdb/common/multi_file/multi_file_reader.hpp"
#include "duckdb/function/function_binder.hpp"
#include "duckdb/main/extension/extension_loader.hpp"
#include "duckdb/planner/expression/bound_cast_expression.hpp"
#include "duckdb/planner/operator/logical_get.hpp"
#include "duckdb/parser/expression/constant_expression.hpp"
#include "engine/delta_pruning.h"
#include "engine/error_map.h"
#include "engine/parquet_footers.h"
#include "engine/storage_bridge.h"
#include "parquet_reader.hpp"
#include "storage/path.h"

namespace tarn::engine {
namespace {

using duckdb::ClientContext;
using duckdb::idx_t;
using duckdb::LogicalType;
using duckdb::LogicalTypeId;
using duckdb::MultiFileColumnDefinition;
using duckdb::OpenFileInfo;
using duckdb::Value;

// A name that no file has: what a column that the file lacks is looked up by.
const char kAbsent[] = "\x01" "absent";
constexpr char kFileOption[] = "tarn_file";
// Of more files than these no footer is read for the sole purpose of planning.
constexpr size_t kMaxFooters = 64;
constexpr idx_t kAhead = 4;          // files whose ends are on their way before they are opened

std::mutex registry_mu;
std::unordered_map<uint64_t, std::shared_ptr<const DeltaScanSpec>> registry;  // guarded by registry_mu
uint64_t next_handle = 1;                                                     // guarded by registry_mu

std::shared_ptr<const DeltaScanSpec> spec_of(const std::string& handle) {
  std::lock_guard lock(registry_mu);
  auto it = registry.find(std::strtoull(handle.c_str(), nullptr, 10));
  if (it == registry.end()) throw duckdb::InvalidInputException("tarn_delta_scan: no such handle: %s", handle);
  return it->second;
}

[[noreturn]] void fail_read(const std::string& path, bool missing, const std::string& why) {
  nlohmann::json j = {{"condition", missing ? "FAILED_READ_FILE.FILE_NOT_EXIST" : "FAILED_READ_FILE.NO_HINT"}, {"kind", "kSpark"},
                      {"params", {{"path", storage::display_uri(path)}}}, {"detail", why}};
  throw duckdb::InvalidInputException("SPARKERR:" + j.dump());
}

bool has_struct(const delta::Type& t) {
  switch (t.kind) {
    case delta::Type::Kind::kStruct: return true;
    case delta::Type::Kind::kArray: return has_struct(*t.element);
    case delta::Type::Kind::kMap: return has_struct(*t.key) || has_struct(*t.value);
    case delta::Type::Kind::kPrimitive: return t.name == "variant";
  }
  return false;
}

void add_children(MultiFileColumnDefinition& c, const delta::Type& t, delta::ColumnMapping mapping);

MultiFileColumnDefinition column_of(const std::string& name, const delta::Type& t, delta::ColumnMapping mapping, const delta::Field* field) {
  MultiFileColumnDefinition c(name, duckdb_type(t));
  if (field && mapping == delta::ColumnMapping::kId && field->column_id()) {
    c.identifier = Value::INTEGER(static_cast<int32_t>(*field->column_id()));
  } else {
    c.identifier = Value(field ? field->physical_name() : name);
  }
  // A column that an older file lacks is NULL in it.
  c.default_expression = duckdb::make_uniq<duckdb::ConstantExpression>(Value(c.type));
  add_children(c, t, mapping);
  return c;
}

void add_children(MultiFileColumnDefinition& c, const delta::Type& t, delta::ColumnMapping mapping) {
  if (!has_struct(t)) return;  // mapped as a whole
  switch (t.kind) {
    case delta::Type::Kind::kStruct:
      for (const auto& f : t.fields) c.children.push_back(column_of(f.name, f.type, mapping, &f));
      break;
    case delta::Type::Kind::kArray: c.children.push_back(column_of("element", *t.element, mapping, nullptr)); break;
    case delta::Type::Kind::kMap:
      c.children.push_back(column_of("key", *t.key, mapping, nullptr));
      c.children.push_back(column_of("value", *t.value, mapping, nullptr));
      break;
    case delta::Type::Kind::kPrimitive:
      for (const char* part : {"value", "metadata"}) {
        MultiFileColumnDefinition child(part, LogicalType::BLOB);
        child.identifier = Value(part);
        c.children.push_back(std::move(child));
      }
      break;
  }
}

// Turns identifiers into the names that this file uses, so that DuckDB can map by name: field ids are looked up, and the inner columns of
// lists and maps, whose names differ between writers, are taken by position.
void resolve_names(duckdb::vector<MultiFileColumnDefinition>& wanted, const duckdb::vector<MultiFileColumnDefinition>& local) {
  for (auto& w : wanted) {
    const MultiFileColumnDefinition* found = nullptr;
    if (!w.identifier.IsNull() && w.identifier.type().id() == LogicalTypeId::INTEGER) {
      for (const auto& l : local) {
        if (!l.identifier.IsNull() && l.identifier.type().id() == LogicalTypeId::INTEGER && l.identifier == w.identifier) found = &l;
      }
      w.identifier = Value(found ? found->name : std::string(kAbsent));
    } else {
      for (const auto& l : local) {
        if (duckdb::StringUtil::CIEquals(l.name, w.GetIdentifierName())) found = &l;
      }
    }
    if (!found || w.children.empty() || found->children.empty()) continue;
    if (w.type.id() == LogicalTypeId::LIST) {
      duckdb::vector<MultiFileColumnDefinition> one{w.children[0]};
      one[0].identifier = Value(found->children[0].name);
      resolve_names(one, {found->children[0]});
      w.children[0] = one[0];
    } else if (w.type.id() == LogicalTypeId::MAP) {
      const auto& pair = found->children[0].children;
      for (idx_t i = 0; i < 2 && i < pair.size(); ++i) {
        duckdb::vector<MultiFileColumnDefinition> one{w.children[i]};
        one[0].identifier = Value(pair[i].name);
        resolve_names(one, {pair[i]});
        w.children[i] = one[0];
      }
    } else {
      resolve_names(w.children, found->children);
    }
  }
}

// INT96 and unzoned INT64 timestamps are read as TIMESTAMP by DuckDB. In a Delta column of type timestamp they are instants: the same 64
// bits under another name. (A cast would move them by the session's time zone.) adapt changes a file's columns where DuckDB's idea of their
// type is not Delta's.
LogicalType as_instant(const LogicalType& local, const LogicalType& wanted) {
  bool stamp = local.id() == LogicalTypeId::TIMESTAMP || local.id() == LogicalTypeId::TIMESTAMP_TZ;
  if (stamp && (wanted.id() == LogicalTypeId::TIMESTAMP || wanted.id() == LogicalTypeId::TIMESTAMP_TZ)) return wanted;
  return local;
}
bool is_shredded(const MultiFileColumnDefinition& variant) {
  return std::any_of(variant.children.begin(), variant.children.end(), [](const MultiFileColumnDefinition& c) { return c.name == "typed_value"; });
}

void adapt(MultiFileColumnDefinition& local, duckdb::ParquetColumnSchema& schema, const MultiFileColumnDefinition* named, const LogicalType& wanted) {
  switch (local.type.id()) {
    case LogicalTypeId::TIMESTAMP:
    case LogicalTypeId::TIMESTAMP_TZ: {
      LogicalType t = as_instant(local.type, wanted);
      if (t != local.type) local.type = schema.type = t;
      return;
    }
    case LogicalTypeId::LIST:
      if (wanted.id() != LogicalTypeId::LIST || local.children.empty() || schema.children.empty()) return;
      adapt(local.children[0], schema.children[0], named && !named->children.empty() ? &named->children[0] : nullptr,
                     duckdb::ListType::GetChildType(wanted));
      local.type = schema.type = LogicalType::LIST(local.children[0].type);
      return;
    case LogicalTypeId::MAP: {
      if (wanted.id() != LogicalTypeId::MAP || local.children.empty() || local.children[0].children.size() != 2 || schema.children.empty() ||
          schema.children[0].children.size() != 2) {
        return;
      }
      auto& pair = local.children[0];
      const LogicalType parts[] = {duckdb::MapType::KeyType(wanted), duckdb::MapType::ValueType(wanted)};
      for (idx_t i = 0; i < 2; ++i) {
        adapt(pair.children[i], schema.children[0].children[i], named && named->children.size() == 2 ? &named->children[i] : nullptr, parts[i]);
      }
      local.type = schema.type = LogicalType::MAP(pair.children[0].type, pair.children[1].type);
      pair.type = schema.children[0].type = duckdb::ListType::GetChildType(local.type);
      return;
    }
    case LogicalTypeId::VARIANT: {
      // Two binaries under the annotation VARIANT: Spark's form of a variant is just these. (Shredded ones are put together by DuckDB.)
      if (is_shredded(local)) return;
      duckdb::child_list_t<LogicalType> types;
      for (const auto& child : local.children) types.emplace_back(child.name, child.type);
      local.type = schema.type = LogicalType::STRUCT(std::move(types));
      schema.schema_type = duckdb::ParquetColumnSchemaType::COLUMN;
      return;
    }
    case LogicalTypeId::STRUCT: {
      if (!named || wanted.id() != LogicalTypeId::STRUCT) return;
      duckdb::child_list_t<LogicalType> types;
      for (idx_t i = 0; i < local.children.size() && i < schema.children.size(); ++i) {
        for (const auto& n : named->children) {
          if (duckdb::StringUtil::CIEquals(n.GetIdentifierName(), local.children[i].name)) {
            adapt(local.children[i], schema.children[i], &n, n.type);
          }
        }
        types.emplace_back(local.children[i].name, local.children[i].type);
      }
      if (types.size() == local.children.size()) local.type = schema.type = LogicalType::STRUCT(std::move(types));
      return;
    }
    default: return;
  }
}

class DeletedRows : public duckdb::DeleteFilter {
 public:
  explicit DeletedRows(delta::RowSet deleted) : deleted_(std::move(deleted)) {}
  explicit DeletedRows(std::shared_ptr<const delta::RowSet> only) : only_(std::move(only)) {}
  idx_t Filter(duckdb::row_t start, idx_t count, duckdb::SelectionVector& sel) override {
    if (!sel.data()) sel.Initialize(STANDARD_VECTOR_SIZE);
    auto begin = static_cast<uint64_t>(start);
    idx_t kept = 0;
    if (!only_ && !deleted_.intersects(begin, begin + count)) {
      for (idx_t i = 0; i < count; ++i) sel.set_index(i, i);
      return count;
    }
    for (idx_t i = 0; i < count; ++i) {
      bool keep = only_ ? only_->contains(begin + i) : !deleted_.contains(begin + i);
      if (keep) sel.set_index(kept++, i);
    }
    return kept;
  }

 private:
  delta::RowSet deleted_;
  std::shared_ptr<const delta::RowSet> only_;
};

// Some of a spec's files, by index. What DuckDB wants to know of a file is made when it asks: of a pruned file it never does.
class FileList : public duckdb::MultiFileList {
 public:
  FileList(std::shared_ptr<const DeltaScanSpec> spec, std::vector<uint32_t> files) : spec_(std::move(spec)), files_(std::move(files)) {}

  duckdb::unique_ptr<MultiFileList> ComplexFilterPushdown(ClientContext& context, const duckdb::MultiFileOptions&, duckdb::MultiFilePushdownInfo& info,
                                                          duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& filters) const override {
    if (filters.empty() || files_.empty()) return nullptr;
    std::vector<uint64_t> ids(info.column_ids.begin(), info.column_ids.end());
    DeltaPruner pruner(context, *spec_, info.table_index, ids);
    std::vector<uint32_t> kept;
    for (auto f : files_) {
      bool may = true;
      for (const auto& filter : filters) may = may && pruner.may_match(spec_->files[f], *filter);
      if (may) kept.push_back(f);
    }
    if (kept.size() == files_.size()) return nullptr;
    return duckdb::make_uniq<FileList>(spec_, std::move(kept));
  }

  duckdb::vector<OpenFileInfo> GetAllFiles() const override {
    duckdb::vector<OpenFileInfo> out;
    for (idx_t i = 0; i < files_.size(); ++i) out.push_back(GetFile(i));
    return out;
  }
  duckdb::FileExpandResult GetExpandResult() const override {
    // Never SINGLE_FILE: that makes DuckDB trust the one file's metadata, which knows nothing of deleted rows.
    return files_.empty() ? duckdb::FileExpandResult::NO_FILES : duckdb::FileExpandResult::MULTIPLE_FILES;
  }
  idx_t GetTotalFileCount() const override { return files_.size(); }
  duckdb::unique_ptr<duckdb::NodeStatistics> GetCardinality(ClientContext& context) const override {
    idx_t rows = 0;
    for (auto f : files_) {
      const auto& file = spec_->files[f];
      auto n = delta::FileStatistics::records_of(*file.stats);
      if (!n && files_.size() <= kMaxFooters) {
        if (auto footer = footer_of(context, file)) n = static_cast<int64_t>(footer->rows);
      }
      if (n && file.only) n = static_cast<int64_t>(file.only->count());
      int64_t live = n ? *n - (file.deletion_vector ? file.deletion_vector->cardinality : 0) : file.size / 100;
      rows += static_cast<idx_t>(std::max<int64_t>(live, 0));
    }
    return duckdb::make_uniq<duckdb::NodeStatistics>(rows);
  }
  duckdb::unique_ptr<MultiFileList> Copy() const override { return duckdb::make_uniq<FileList>(spec_, files_); }

  // What holds for every row of a column: of the rows that a deletion vector leaves out as well, which makes the bounds wider, not wrong.
  duckdb::unique_ptr<duckdb::BaseStatistics> statistics(ClientContext& context, idx_t column, const LogicalType& type) const {
    if (files_.empty() || files_.size() > kMaxFooters || column >= spec_->schema.fields.size()) return nullptr;
    const auto& field = spec_->schema.fields[column];
    // Partition values are not in the files; columns found by id may have any name there.
    if (type.IsNested() || spec_->mapping == delta::ColumnMapping::kId) return nullptr;
    for (const auto& p : spec_->partition_columns) {
      if (duckdb::StringUtil::CIEquals(p, field.name)) return nullptr;
    }
    duckdb::unique_ptr<duckdb::BaseStatistics> out;
    for (auto f : files_) {
      auto footer = footer_of(context, spec_->files[f]);
      const auto* one = footer ? footer->statistics_of(field.physical_name()) : nullptr;
      if (!one || one->GetType() != type) return nullptr;
      if (out) out->Merge(*one);
      else out = one->ToUnique();
    }
    return out;
  }

  // Of a file on the local disk: elsewhere a footer costs more than knowing it for planning saves.
  static std::shared_ptr<const ParquetFooter> footer_of(ClientContext& context, const DeltaScanFile& file) {
    auto local = storage::local_path(file.path);
    return local ? parquet_footer(context, *local) : nullptr;
  }

  static idx_t index_of(const OpenFileInfo& f) { return f.extended_info->options.at(kFileOption).GetValue<uint64_t>(); }

 protected:
  OpenFileInfo GetFile(idx_t i) const override {
    if (i >= files_.size()) return OpenFileInfo();
    const DeltaScanFile& file = spec_->files[files_[i]];
    OpenFileInfo info(duckdb_path(file.path));
    info.extended_info = duckdb::make_shared_ptr<duckdb::ExtendedOpenFileInfo>();
    info.extended_info->options[kFileOption] = Value::UBIGINT(files_[i]);
    if (!is_local(file.path)) {
      // A file of a table never changes: its size and name say which content it is.
      info.extended_info->options[kKnownSize] = Value::UBIGINT(static_cast<uint64_t>(file.size));
      info.extended_info->options[kKnownTag] = Value(file.tag);
      duckdb::vector<Value> next;
      for (size_t k = i + 1; k < files_.size() && k <= i + kAhead; ++k) {
        const DeltaScanFile& f = spec_->files[files_[k]];
        if (is_local(f.path)) break;
        next.insert(next.end(), {Value(duckdb_path(f.path)), Value(std::to_string(f.size)), Value(f.tag)});
      }
      if (!next.empty()) info.extended_info->options[kNextFiles] = Value::LIST(LogicalType::VARCHAR, std::move(next));
    }
    return info;
  }

 private:
  std::shared_ptr<const DeltaScanSpec> spec_;
  std::vector<uint32_t> files_;
};

class Reader : public duckdb::MultiFileReader {
 public:
  duckdb::shared_ptr<duckdb::MultiFileList> CreateFileList(ClientContext&, const duckdb::vector<std::string>& paths,
                                                           const duckdb::FileGlobInput&) override {
    spec_ = spec_of(paths.at(0));
    std::vector<uint32_t> files(spec_->files.size());
    std::iota(files.begin(), files.end(), 0u);
    return duckdb::make_shared_ptr<FileList>(spec_, std::move(files));
  }

  bool Bind(duckdb::MultiFileOptions& options, duckdb::MultiFileList&, duckdb::vector<LogicalType>& types, duckdb::vector<std::string>& names,
            duckdb::MultiFileReaderBindData& bind) override {
    options.hive_partitioning = options.auto_detect_hive_partitioning = options.union_by_name = false;
    bind.mapping = duckdb::MultiFileColumnMappingMode::BY_NAME;
    for (const auto& f : spec_->schema.fields) bind.schema.push_back(column_of(f.name, f.type, spec_->mapping, &f));
    for (const auto& [name, type] : spec_->constant_columns) {
      bind.schema.emplace_back(name, LogicalType(duckdb::TransformStringToLogicalTypeId(type)));
      bind.schema.back().identifier = Value(std::string(kAbsent));
    }
    for (const auto& c : bind.schema) {
      names.push_back(c.name);
      types.push_back(c.type);
    }
    return true;
  }

  duckdb::shared_ptr<duckdb::BaseFileReader> CreateReader(ClientContext& context, duckdb::GlobalTableFunctionState& state, const OpenFileInfo& file,
                                                          idx_t index, const duckdb::MultiFileBindData& bind) override {
    StorageScope scope(context);
    try {
      return MultiFileReader::CreateReader(context, state, file, index, bind);
    } catch (const duckdb::InterruptException&) {
      throw;
    } catch (const std::exception& e) {
      std::string why = duckdb::ErrorData(e).RawMessage();
      if (why.find("SPARKERR:") != std::string::npos) throw;  // the store has said what is wrong
      fail_read(file.path, is_local(file.path) && !storage::store_for(file.path).stat(file.path), why);
    }
  }

  void FinalizeBind(duckdb::MultiFileReaderData& data, const duckdb::MultiFileOptions&, const duckdb::MultiFileReaderBindData&,
                    const duckdb::vector<MultiFileColumnDefinition>& columns, const duckdb::vector<duckdb::ColumnIndex>& ids, ClientContext& context,
                    duckdb::optional_ptr<duckdb::MultiFileReaderGlobalState>) override {
    StorageScope scope(context);
    idx_t index = FileList::index_of(data.reader->file);
    const DeltaScanFile& file = spec_->files[index];
    for (idx_t i = 0; i < ids.size(); ++i) {
      auto at = duckdb::MultiFileGlobalIndex(i);
      auto id = ids[i].GetPrimaryIndex();
      if (id == COLUMN_IDENTIFIER_FILENAME) {
        data.constant_map.Add(at, Value(file.path));
      } else if (id == COLUMN_IDENTIFIER_FILE_INDEX) {
        data.constant_map.Add(at, Value::UBIGINT(index));
      } else if (duckdb::IsVirtualColumn(id)) {
        continue;
      } else if (id >= spec_->schema.fields.size()) {
        const auto& text = file.constants[id - spec_->schema.fields.size()];
        data.constant_map.Add(at, text ? Value(*text).CastAs(context, columns[id].type) : Value(columns[id].type));
      } else {
        const auto& field = spec_->schema.fields[id];
        if (field.type.name == "void") {
          data.constant_map.Add(at, Value(columns[id].type));
        } else if (is_partition(field.name)) {
          auto it = file.partition_values->find(field.physical_name());
          data.constant_map.Add(at, parse_partition_value(context, it == file.partition_values->end() ? std::nullopt : it->second, field.type));
        }
      }
    }
    if (file.only) {
      data.reader->deletion_filter = duckdb::make_uniq<DeletedRows>(file.only);
    } else if (file.deletion_vector || file.except) {
      try {
        auto deleted = file.deletion_vector ? delta::read_deletion_vector(spec_->table_path, *file.deletion_vector) : delta::RowSet();
        if (file.except) deleted.merge(*file.except);
        data.reader->deletion_filter = duckdb::make_uniq<DeletedRows>(std::move(deleted));
      } catch (const IoError& e) {
        if (!is_local(file.path) && e.kind() != IoError::Kind::kNotFound) throw duckdb::InvalidInputException(kernel_error_text(SparkError::Plain(ErrorKind::kSpark, e.what())));
        fail_read(file.path, e.kind() == IoError::Kind::kNotFound, e.what());
      }
    }
  }

  duckdb::ReaderInitializeType CreateMapping(ClientContext& context, duckdb::MultiFileReaderData& data,
                                             const duckdb::vector<MultiFileColumnDefinition>& columns, const duckdb::vector<duckdb::ColumnIndex>& ids,
                                             duckdb::optional_ptr<duckdb::TableFilterSet> filters, duckdb::MultiFileList& list,
                                             const duckdb::MultiFileReaderBindData& bind, const duckdb::virtual_column_map_t& virtual_columns) override {
    auto& reader = data.reader->Cast<duckdb::ParquetReader>();
    auto named = columns;
    resolve_names(named, reader.columns);
    std::set<idx_t> shredded;  // columns that are variants put together from parts
    for (idx_t at = 0; at < named.size(); ++at) {
      auto& n = named[at];
      for (idx_t i = 0; i < reader.columns.size() && i < reader.root_schema->children.size(); ++i) {
        if (duckdb::StringUtil::CIEquals(reader.columns[i].name, n.GetIdentifierName())) {
          adapt(reader.columns[i], reader.root_schema->children[i], &n, n.type);
          if (reader.columns[i].type.id() != LogicalTypeId::VARIANT) continue;
          reader.columns[i].children.clear();
          n.children.clear();
          n.type = LogicalType::VARIANT();
          shredded.insert(at);
        }
      }
    }
    auto result = MultiFileReader::CreateMapping(context, data, named, ids, filters, list, bind, virtual_columns, duckdb::MultiFileColumnMappingMode::BY_NAME);
    for (idx_t i = 0; !shredded.empty() && i < ids.size() && i < data.expressions.size(); ++i) {
      auto& e = data.expressions[i];
      if (!shredded.count(ids[i].GetPrimaryIndex()) || !e || e->return_type.id() != LogicalTypeId::VARIANT) continue;
      duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> children;
      children.push_back(std::move(e));
      duckdb::ErrorData error;
      e = duckdb::FunctionBinder(context).BindScalarFunction(DEFAULT_SCHEMA, "variant_to_parquet_variant", std::move(children), error);
      if (!e) error.Throw();
      e = duckdb::BoundCastExpression::AddCastToType(context, std::move(e), columns[ids[i].GetPrimaryIndex()].type);
    }
    return result;
  }

  duckdb::unique_ptr<MultiFileReader> Copy() const override {
    auto out = duckdb::make_uniq<Reader>();
    out->spec_ = spec_;
    out->function_name = function_name;
    return out;
  }

  static duckdb::unique_ptr<MultiFileReader> Create(const duckdb::TableFunction&) { return duckdb::make_uniq<Reader>(); }

 private:
  bool is_partition(const std::string& name) const {
    for (const auto& p : spec_->partition_columns) {
      if (duckdb::StringUtil::CIEquals(p, name)) return true;
    }
    return false;
  }
  std::shared_ptr<const DeltaScanSpec> spec_;
};

duckdb::unique_ptr<duckdb::BaseStatistics> column_statistics(ClientContext& context, const duckdb::FunctionData* data, duckdb::column_t column) {
  const auto& bind = data->Cast<duckdb::MultiFileBindData>();
  auto* files = dynamic_cast<const FileList*>(bind.file_list.get());
  if (!files || duckdb::IsVirtualColumn(column) || column >= bind.types.size()) return nullptr;
  return files->statistics(context, column, bind.types[column]);
}

duckdb::virtual_column_map_t virtual_columns(ClientContext&, duckdb::optional_ptr<duckdb::FunctionData> data) {
  duckdb::virtual_column_map_t out;
  out.insert({duckdb::MultiFileReader::COLUMN_IDENTIFIER_FILE_INDEX, duckdb::TableColumn(kDeltaFileColumn, LogicalType::UBIGINT)});
  out.insert({duckdb::MultiFileReader::COLUMN_IDENTIFIER_FILE_ROW_NUMBER, duckdb::TableColumn(kDeltaRowColumn, LogicalType::BIGINT)});
  out.insert({duckdb::MultiFileReader::COLUMN_IDENTIFIER_FILENAME, duckdb::TableColumn(kDeltaPathColumn, LogicalType::VARCHAR)});
  out.insert({duckdb::COLUMN_IDENTIFIER_EMPTY, duckdb::TableColumn("", LogicalType::BOOLEAN)});
  data->Cast<duckdb::MultiFileBindData>().virtual_columns = out;
  return out;
}

}  // namespace

LogicalType duckdb_type(const delta::Type& t) {
  switch (t.kind) {
    case delta::Type::Kind::kStruct: {
      duckdb::child_list_t<LogicalType> children;
      for (const auto& f : t.fields) children.emplace_back(f.name, duckdb_type(f.type));
      // A struct without fields cannot exist in DuckDB.
      if (children.empty()) children.emplace_back("__empty", LogicalType::BOOLEAN);
      return LogicalType::STRUCT(std::move(children));
    }
    case delta::Type::Kind::kArray: return LogicalType::LIST(duckdb_type(*t.element));
    case delta::Type::Kind::kMap: return LogicalType::MAP(duckdb_type(*t.key), duckdb_type(*t.value));
    case delta::Type::Kind::kPrimitive: break;
  }
  const std::string& n = t.name;
  if (n == "boolean") return LogicalType::BOOLEAN;
  if (n == "byte") return LogicalType::TINYINT;
  if (n == "short") return LogicalType::SMALLINT;
  if (n == "integer") return LogicalType::INTEGER;
  if (n == "long") return LogicalType::BIGINT;
  if (n == "float") return LogicalType::FLOAT;
  if (n == "double") return LogicalType::DOUBLE;
  if (n == "binary") return LogicalType::BLOB;
  if (n == "date") return LogicalType::DATE;
  if (n == "timestamp") return LogicalType::TIMESTAMP_TZ;
  if (n == "timestamp_ntz") return LogicalType::TIMESTAMP;
  if (n == "void") return LogicalType::INTEGER;
  if (n == "decimal") return LogicalType::DECIMAL(10, 0);
  if (n == "variant") return LogicalType::STRUCT({{"value", LogicalType::BLOB}, {"metadata", LogicalType::BLOB}});
  int precision = 0, scale = 0;
  if (std::sscanf(n.c_str(), "decimal(%d,%d)", &precision, &scale) == 2 || std::sscanf(n.c_str(), "decimal(%d, %d)", &precision, &scale) == 2) {
    return LogicalType::DECIMAL(static_cast<uint8_t>(precision), static_cast<uint8_t>(scale));
  }
  if (n.rfind("string", 0) == 0 || n.rfind("char", 0) == 0 || n.rfind("varchar", 0) == 0) return LogicalType::VARCHAR;
  throw duckdb::NotImplementedException("tarn: the Delta type %s is not supported", n);
}

DeltaScanFile DeltaScanFile::of(const std::string& table_path, std::shared_ptr<const delta::AddFile> file, bool with_stats) {
  static const auto kNone = std::make_shared<const std::string>();
  DeltaScanFile out;
  out.path = delta::resolve_path(table_path, file->path);
  out.size = file->size;
  out.deletion_vector = file->deletion_vector;
  out.partition_values = std::shared_ptr<const delta::PartitionValues>(file, &file->partition_values);
  out.stats = with_stats ? std::shared_ptr<const std::string>(file, &file->stats) : kNone;
  return out;
}

DeltaScanSpec DeltaScanSpec::of(const delta::Snapshot& snapshot) {
  DeltaScanSpec s;
  s.table_path = snapshot.table_path();
  s.schema = snapshot.schema();
  s.partition_columns = snapshot.metadata().partition_columns;
  s.mapping = snapshot.column_mapping();
  s.files.reserve(snapshot.files().size());
  for (const auto& f : snapshot.files()) s.files.push_back(DeltaScanFile::of(s.table_path, f));
  return s;
}

DeltaScan::DeltaScan(DeltaScanSpec spec) : DeltaScan(std::make_shared<const DeltaScanSpec>(std::move(spec))) {}

DeltaScan::DeltaScan(std::shared_ptr<const DeltaScanSpec> spec) : spec_(std::move(spec)) {
  std::lock_guard lock(registry_mu);
  handle_ = next_handle++;
  registry[handle_] = spec_;
}

DeltaScan::~DeltaScan() {
  std::lock_guard lock(registry_mu);
  registry.erase(handle_);
}

std::string DeltaScan::sql() const { return "tarn_delta_scan('" + std::to_string(handle_) + "')"; }

void register_delta_scan(duckdb::DatabaseInstance& database) {
  duckdb::ExtensionLoader loader(database, "tarn");
  auto& entry = loader.GetTableFunction("parquet_scan");
  duckdb::TableFunctionSet set("tarn_delta_scan");
  for (const auto& f : entry.functions.functions) {
    if (f.arguments.empty() || f.arguments[0].id() != LogicalTypeId::VARCHAR) continue;
    duckdb::TableFunction copy = f;
    copy.name = "tarn_delta_scan";
    copy.get_multi_file_reader = Reader::Create;
    copy.get_virtual_columns = virtual_columns;
    copy.serialize = nullptr;
    copy.deserialize = nullptr;
    copy.statistics = column_statistics;
    copy.statistics_extended = nullptr;
    copy.get_bind_info = nullptr;
    copy.get_partition_stats = nullptr;  // they count deleted rows
    copy.get_partition_info = nullptr;
    set.AddFunction(std::move(copy));
  }
  loader.RegisterFunction(set);
}

}  // namespace tarn::engine
