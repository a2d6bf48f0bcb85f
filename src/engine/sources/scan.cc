#include "engine/sources/scan.h"

#include <atomic>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include <simdjson.h>

#include "base/io_error.h"
#include "base/log.h"
#include "duckdb/common/vector_operations/vector_operations.hpp"
#include "duckdb/execution/expression_executor.hpp"
#include "duckdb/main/extension/extension_loader.hpp"
#include "duckdb/planner/expression/bound_columnref_expression.hpp"
#include "duckdb/planner/expression/bound_reference_expression.hpp"
#include "duckdb/planner/expression_iterator.hpp"
#include "duckdb/planner/operator/logical_get.hpp"
#include "engine/error_map.h"
#include "engine/sources/byte_stream.h"
#include "engine/sources/file_blocks.h"
#include "engine/storage_bridge.h"
#include "engine/type_mapping.h"
#include "plan/session_conf.h"
#include "storage/path.h"

namespace tarn::engine::sources {
namespace {

using duckdb::idx_t;
constexpr size_t kBlock = 1 << 20;
constexpr idx_t kBlocksPerFile = 1 << 20;  // batch index = file * this + block

class RowRelation;

struct Registry {
  std::mutex mu;
  std::unordered_map<uint64_t, std::weak_ptr<const RowRelation>> relations;  // guarded by mu
  uint64_t next = 1;                                                         // guarded by mu
};
Registry& registry() {
  static Registry* r = new Registry;
  return *r;
}

class RowRelation : public FileRelation, public std::enable_shared_from_this<RowRelation> {
 public:
  ~RowRelation() override {
    std::lock_guard lock(registry().mu);
    registry().relations.erase(handle);
  }
  const plan::DataType& schema() const override { return schema_.full; }
  std::vector<plan::StructField> metadata_columns() const override { return {metadata_field(false)}; }
  std::string format() const override { return format_; }
  std::vector<std::string> input_files() const override {
    std::vector<std::string> out;
    for (const auto& f : index.files) out.push_back(f.url());
    return out;
  }
  std::vector<std::string> partition_columns() const override {
    std::vector<std::string> out;
    for (const auto& f : index.partition_fields) out.push_back(f.name);
    return out;
  }
  std::optional<uint64_t> size_in_bytes() const override { return index.total_size(); }
  std::string fingerprint() const override { return fingerprint_; }
  const std::string& identity() const override { return settings.identity; }
  std::string scan_sql(const std::vector<size_t>& columns) const override {
    std::string sql = "SELECT ";
    for (size_t i = 0; i < columns.size(); ++i) sql += (i ? ", c" : "c") + std::to_string(columns[i]);
    if (columns.empty()) sql += "1";
    return sql + " FROM tarn_file_scan('" + std::to_string(handle) + "')";
  }

  size_t metadata_column() const { return schema_.full.fields().size(); }
  const FileSchema& file_schema() const { return schema_; }

  FileIndex index;
  std::shared_ptr<const RowFormat> rows;
  ScanSettings settings;
  std::vector<std::vector<duckdb::Value>> partition_values;  // per partition, per partition field
  uint64_t handle = 0;
  std::string format_, fingerprint_;
  FileSchema schema_;
};

struct BindData : duckdb::TableFunctionData {
  std::shared_ptr<const RowRelation> relation;
  std::vector<size_t> files;  // those that are read, after pruning
  duckdb::unique_ptr<duckdb::FunctionData> Copy() const override {
    auto c = duckdb::make_uniq<BindData>();
    c->relation = relation;
    c->files = files;
    return c;
  }
  bool Equals(const duckdb::FunctionData& other) const override {
    auto& o = other.Cast<BindData>();
    return o.relation == relation && o.files == files;
  }
};

// One file being read by any number of threads.
struct OpenFile {
  std::mutex mu;
  std::unique_ptr<FileBlocks> blocks;  // guarded by mu
  uint64_t splits = 0;                 // given out; guarded by mu
  std::atomic<bool> done{false};
  std::atomic<int> readers{0};
};

struct GlobalState : duckdb::GlobalTableFunctionState {
  std::vector<std::unique_ptr<OpenFile>> files;
  idx_t threads = 1;
  std::vector<WantedColumn> wanted;
  std::vector<std::pair<size_t, size_t>> partition_slots;  // partition field, slot
  std::vector<size_t> metadata_slots, empty_slots;
  idx_t MaxThreads() const override { return threads; }
};

struct LocalState : duckdb::LocalTableFunctionState {
  std::unique_ptr<RowDecoder> decoder;
  size_t at = 0;              // position in BindData::files
  bool has_block = false, has_reader = false;
  idx_t batch = 0;
};

duckdb::unique_ptr<duckdb::FunctionData> bind(duckdb::ClientContext&, duckdb::TableFunctionBindInput& input,
                                              duckdb::vector<duckdb::LogicalType>& types, duckdb::vector<duckdb::string>& names) {
  uint64_t handle = std::strtoull(input.inputs[0].GetValue<std::string>().c_str(), nullptr, 10);
  auto data = duckdb::make_uniq<BindData>();
  {
    std::lock_guard lock(registry().mu);
    auto it = registry().relations.find(handle);
    if (it != registry().relations.end()) data->relation = it->second.lock();
  }
  if (!data->relation) throw duckdb::InvalidInputException("tarn_file_scan: no such handle");
  const auto& fields = data->relation->schema().fields();
  for (size_t i = 0; i < fields.size(); ++i) {
    names.push_back("c" + std::to_string(i));
    types.push_back(to_duckdb(fields[i].type()));
  }
  names.push_back("c" + std::to_string(fields.size()));
  types.push_back(to_duckdb(metadata_field(false).type()));
  for (size_t i = 0; i < data->relation->index.files.size(); ++i) {
    if (data->relation->index.files[i].size > 0 || !data->relation->rows->in_blocks()) data->files.push_back(i);
  }
  return data;
}

duckdb::unique_ptr<duckdb::GlobalTableFunctionState> init_global(duckdb::ClientContext& context, duckdb::TableFunctionInitInput& input) {
  auto& bind = input.bind_data->Cast<BindData>();
  const RowRelation& r = *bind.relation;
  auto g = duckdb::make_uniq<GlobalState>();
  for (size_t slot = 0; slot < input.column_ids.size(); ++slot) {
    auto id = input.column_ids[slot];
    if (id < r.schema().fields().size()) {
      if (int p = r.file_schema().partition_index[id]; p >= 0) g->partition_slots.emplace_back(static_cast<size_t>(p), slot);
      else g->wanted.push_back({static_cast<size_t>(r.file_schema().data_index[id]), slot});
    } else if (id == r.metadata_column()) {
      g->metadata_slots.push_back(slot);
    } else {
      g->empty_slots.push_back(slot);
    }
  }
  uint64_t bytes = 0;
  for (size_t f : bind.files) {
    g->files.push_back(std::make_unique<OpenFile>());
    bytes += static_cast<uint64_t>(r.index.files[f].size);
  }
  const uint64_t step = r.rows->in_blocks() ? kBlock / 2 : r.rows->split_size();
  uint64_t tasks = bind.files.size() + (step ? bytes / step : 0);
  g->threads = std::max<idx_t>(1, tasks);
  return g;
}

duckdb::unique_ptr<duckdb::LocalTableFunctionState> init_local(duckdb::ExecutionContext&, duckdb::TableFunctionInitInput& input,
                                                               duckdb::GlobalTableFunctionState* global) {
  auto& bind = input.bind_data->Cast<BindData>();
  auto l = duckdb::make_uniq<LocalState>();
  try {
    l->decoder = bind.relation->rows->decoder(global->Cast<GlobalState>().wanted);
  } catch (const SparkError& e) {
    throw_in_scan(e);
  }
  return l;
}

// A record that FAILFAST refuses is no sign of a corrupt file (it is a SparkException); what else the content gives rise to is.
void fail_or_skip(const RowRelation& r, const DataFile& file, const SparkError& e) {
  if (!r.settings.ignore_corrupt || e.kind() == ErrorKind::kSpark) throw_in_file(file, e);
  log::warn("skipped_rest_of_corrupted_file", {{"path", file.display()}, {"why", e.message()}});
}

// Moves the thread to its next piece of work; false: none is left.
bool next_work(const BindData& bind, GlobalState& g, LocalState& l) {
  const RowRelation& r = *bind.relation;
  const RowFormat& format = *r.rows;
  for (;;) {
    if (l.at >= g.files.size()) return false;
    OpenFile& file = *g.files[l.at];
    const DataFile& info = r.index.files[bind.files[l.at]];
    // More than a few threads on one stream only wait for each other, while other files wait for them.
    if (!l.has_reader) {
      bool crowded = file.readers.load() >= 3 && l.at + 1 < g.files.size();
      if (file.done || crowded) {
        if (crowded && !file.done) {
          bool other = false;
          for (size_t i = l.at + 1; i < g.files.size() && !other; ++i) other = !g.files[i]->done && g.files[i]->readers.load() < 3;
          if (!other) crowded = false;
        }
        if (file.done || crowded) {
          ++l.at;
          continue;
        }
      }
      ++file.readers;
      l.has_reader = true;
    }
    auto leave = [&] {
      --file.readers;
      l.has_reader = false;
      ++l.at;
    };
    try {
      std::unique_lock lock(file.mu);
      if (file.done) {
        lock.unlock();
        leave();
        continue;
      }
      if (!format.in_blocks()) {
        const uint64_t number = file.splits++, step = format.split_size(), size = static_cast<uint64_t>(info.size);
        if (step == 0 || (number + 1) * step >= size) file.done = true;
        l.batch = l.at * kBlocksPerFile + std::min<idx_t>(number, kBlocksPerFile - 1);
        lock.unlock();
        l.decoder->start_file(info, step == 0 ? FileSplit{0, size} : FileSplit{number * step, std::min((number + 1) * step, size)});
        l.has_block = true;
        return true;
      }
      if (!file.blocks) {
        file.blocks = std::make_unique<FileBlocks>(info.path, format.charset(), [&format](std::string_view b) { return format.complete_prefix(b); });
      }
      idx_t number = file.blocks->produced();
      BlockPtr block = file.blocks->next();
      if (file.blocks->done()) file.done = true;
      lock.unlock();
      if (!block) {
        leave();
        continue;
      }
      l.batch = l.at * kBlocksPerFile + std::min(number, kBlocksPerFile - 1);
      bool utf8 = simdjson::validate_utf8(block->data.get(), block->size);
      if (!utf8 && format.repair_utf8()) {
        std::string fixed = repair_utf8(block->view());
        block = std::make_shared<BlockBuffer>(fixed.size());
        memcpy(block->data.get(), fixed.data(), fixed.size());
        memset(block->data.get() + fixed.size(), '\n', BlockBuffer::kPadding);
        block->size = fixed.size();
        utf8 = true;
      }
      l.decoder->start_block(block, info, number == 0, utf8);
      l.has_block = true;
      return true;
    } catch (const SparkError& e) {  // the first block: a header that is not the schema's
      file.done = true;
      leave();
      fail_or_skip(r, info, e);
    } catch (const StreamError& e) {
      file.done = true;
      leave();
      if (!r.settings.ignore_corrupt) throw_in_scan(read_failed(info, e.what(), false));
      log::warn("skipped_rest_of_corrupted_file", {{"path", info.display()}});
    } catch (const IoError& e) {
      file.done = true;
      leave();
      bool missing = e.kind() == IoError::Kind::kNotFound;
      if (!(missing ? r.settings.ignore_missing : r.settings.ignore_corrupt)) throw_in_scan(read_failed(info, e.what(), missing));
      log::warn("skipped_file", {{"path", info.display()}});
    }
  }
}

duckdb::Value metadata_value(const DataFile& f) {
  std::string encoded = f.encoded();
  duckdb::child_list_t<duckdb::Value> v;
  v.emplace_back("file_path", duckdb::Value(encoded));
  v.emplace_back("file_name", duckdb::Value(storage::file_name(encoded)));
  v.emplace_back("file_size", duckdb::Value::BIGINT(f.size));
  v.emplace_back("file_block_start", duckdb::Value::BIGINT(0));
  v.emplace_back("file_block_length", duckdb::Value::BIGINT(f.size));
  v.emplace_back("file_modification_time", duckdb::Value::TIMESTAMPTZ(duckdb::timestamp_tz_t(f.modified_ms * 1000)));
  return duckdb::Value::STRUCT(std::move(v));
}

void scan(duckdb::ClientContext& context, duckdb::TableFunctionInput& input, duckdb::DataChunk& out) {
  StorageScope scope(context);
  auto& bind = input.bind_data->Cast<BindData>();
  auto& g = input.global_state->Cast<GlobalState>();
  auto& l = input.local_state->Cast<LocalState>();
  const RowRelation& r = *bind.relation;
  for (;;) {
    if (!l.has_block && !next_work(bind, g, l)) return;
    const DataFile& file = r.index.files[bind.files[l.at]];
    size_t n = 0;
    try {
      n = l.decoder->decode(out);
    } catch (const SparkError& e) {
      fail_or_skip(r, file, e);
      g.files[l.at]->done = true;
    } catch (const StreamError& e) {
      if (!r.settings.ignore_corrupt) throw_in_scan(read_failed(file, e.what(), false));
    } catch (const IoError& e) {
      bool missing = e.kind() == IoError::Kind::kNotFound;
      if (!(missing ? r.settings.ignore_missing : r.settings.ignore_corrupt)) throw_in_scan(read_failed(file, e.what(), missing));
    }
    if (n == 0) {
      l.has_block = false;
      continue;
    }
    for (auto [field, slot] : g.partition_slots) out.data[slot].Reference(r.partition_values[file.partition][field]);
    for (size_t slot : g.metadata_slots) out.data[slot].Reference(metadata_value(file));
    for (size_t slot : g.empty_slots) {
      out.data[slot].SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
      duckdb::ConstantVector::SetNull(out.data[slot], true);
    }
    out.SetCardinality(n);
    return;
  }
}

duckdb::OperatorPartitionData partition_data(duckdb::ClientContext&, duckdb::TableFunctionGetPartitionInput& input) {
  if (input.partition_info.RequiresPartitionColumns()) throw duckdb::InternalException("tarn_file_scan has no partition columns");
  return duckdb::OperatorPartitionData(input.local_state->Cast<LocalState>().batch);
}

double progress(duckdb::ClientContext&, const duckdb::FunctionData*, const duckdb::GlobalTableFunctionState* state) {
  auto& g = state->Cast<GlobalState>();
  if (g.files.empty()) return 100;
  size_t done = 0;
  for (const auto& f : g.files) done += f->done;
  return 100.0 * static_cast<double>(done) / static_cast<double>(g.files.size());
}

// What count(*) reads: nothing of the rows.
duckdb::virtual_column_map_t virtual_columns(duckdb::ClientContext&, duckdb::optional_ptr<duckdb::FunctionData>) {
  duckdb::virtual_column_map_t out;
  out.insert({duckdb::COLUMN_IDENTIFIER_EMPTY, duckdb::TableColumn("", duckdb::LogicalType::BOOLEAN)});
  return out;
}

duckdb::unique_ptr<duckdb::NodeStatistics> cardinality(duckdb::ClientContext&, const duckdb::FunctionData* data) {
  auto& bind = data->Cast<BindData>();
  uint64_t bytes = 0;
  for (size_t f : bind.files) bytes += static_cast<uint64_t>(bind.relation->index.files[f].size);
  return duckdb::make_uniq<duckdb::NodeStatistics>(bytes / 64 + 1);
}

// Files of partitions that a filter excludes are not read. The filters stay in the plan.
void prune(duckdb::ClientContext& context, duckdb::LogicalGet& get, duckdb::FunctionData* data,
           duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& filters) {
  auto& bind = data->Cast<BindData>();
  const RowRelation& r = *bind.relation;
  if (r.partition_values.empty() || r.index.partition_fields.empty()) return;
  for (auto& filter : filters) {
    if (filter->IsVolatile() || filter->HasSubquery()) continue;
    auto copy = filter->Copy();
    bool usable = true, any = false;
    std::function<void(duckdb::unique_ptr<duckdb::Expression>&)> rewrite = [&](duckdb::unique_ptr<duckdb::Expression>& e) {
      if (e->GetExpressionType() == duckdb::ExpressionType::BOUND_COLUMN_REF) {
        auto& ref = e->Cast<duckdb::BoundColumnRefExpression>();
        auto& ids = get.GetColumnIds();
        if (ref.depth > 0 || ref.binding.table_index != get.table_index || ref.binding.column_index >= ids.size()) {
          usable = false;
          return;
        }
        auto id = ids[ref.binding.column_index].GetPrimaryIndex();
        int p = id < r.schema().fields().size() ? r.file_schema().partition_index[id] : -1;
        if (p < 0) {
          usable = false;
          return;
        }
        any = true;
        e = duckdb::make_uniq<duckdb::BoundReferenceExpression>(ref.return_type, static_cast<idx_t>(p));
        return;
      }
      duckdb::ExpressionIterator::EnumerateChildren(*e, [&](duckdb::unique_ptr<duckdb::Expression>& child) { rewrite(child); });
    };
    rewrite(copy);
    if (!usable || !any) continue;
    try {
      duckdb::vector<duckdb::LogicalType> types;
      for (const auto& f : r.index.partition_fields) types.push_back(to_duckdb(f.type()));
      duckdb::ExpressionExecutor executor(context, *copy);
      std::vector<bool> keep(r.partition_values.size(), true);
      for (size_t i = 0; i < r.partition_values.size(); ++i) {
        if (r.partition_values[i].size() != types.size()) continue;
        duckdb::DataChunk row;
        row.Initialize(context, types, 1);
        for (size_t c = 0; c < types.size(); ++c) row.SetValue(c, 0, r.partition_values[i][c]);
        row.SetCardinality(1);
        duckdb::Vector result(duckdb::LogicalType::BOOLEAN);
        executor.ExecuteExpression(row, result);
        duckdb::Value v = result.GetValue(0);
        keep[i] = !v.IsNull() && v.GetValue<bool>();
      }
      std::erase_if(bind.files, [&](size_t f) { return !keep[r.index.files[f].partition]; });
    } catch (const std::exception&) {
      // The filter itself fails: it will say so when it runs on rows.
    }
  }
}

}  // namespace

size_t complete_lines(std::string_view bytes, std::string_view separator) {
  if (!separator.empty()) {
    size_t at = bytes.rfind(separator);
    return at == std::string_view::npos ? 0 : at + separator.size();
  }
  for (size_t i = bytes.size(); i > 0; --i) {
    if (bytes[i - 1] == '\n' || (bytes[i - 1] == '\r' && i < bytes.size())) return i;
  }
  return 0;
}

std::string repair_utf8(std::string_view s) {
  std::string out;
  out.reserve(s.size() + 16);
  size_t i = 0;
  while (i < s.size()) {
    auto b = static_cast<unsigned char>(s[i]);
    size_t length = b < 0x80 ? 1 : b >= 0xc2 && b <= 0xdf ? 2 : (b & 0xf0) == 0xe0 ? 3 : b >= 0xf0 && b <= 0xf4 ? 4 : 0;
    size_t good = length ? 1 : 0;
    for (; length && good < length && i + good < s.size(); ++good) {
      auto c = static_cast<unsigned char>(s[i + good]);
      unsigned char low = 0x80, high = 0xbf;
      if (good == 1) {
        if (b == 0xe0) low = 0xa0;
        if (b == 0xed) high = 0x9f;
        if (b == 0xf0) low = 0x90;
        if (b == 0xf4) high = 0x8f;
      }
      if (c < low || c > high) break;
    }
    if (length && good == length) {
      out.append(s.substr(i, length));
      i += length;
    } else {
      out += "\xEF\xBF\xBD";
      i += std::max<size_t>(good, 1);
    }
  }
  return out;
}

FileSchema merge_schema(plan::DataType data, const std::vector<plan::StructField>& partition_fields, bool case_sensitive) {
  FileSchema s;
  s.data = data;
  std::vector<plan::StructField> full;
  std::vector<bool> used(partition_fields.size());
  auto same = [&](const std::string& a, const std::string& b) { return case_sensitive ? a == b : equal_ignore_case(a, b); };
  for (size_t i = 0; i < data.fields().size(); ++i) {
    int p = -1;
    for (size_t k = 0; k < partition_fields.size() && p < 0; ++k) {
      if (same(partition_fields[k].name, data.fields()[i].name)) p = static_cast<int>(k);
    }
    if (p >= 0) used[static_cast<size_t>(p)] = true;
    full.push_back(p >= 0 ? partition_fields[static_cast<size_t>(p)] : data.fields()[i]);
    s.data_index.push_back(p >= 0 ? -1 : static_cast<int>(i));
    s.partition_index.push_back(p);
  }
  for (size_t k = 0; k < partition_fields.size(); ++k) {
    if (used[k]) continue;
    full.push_back(partition_fields[k]);
    s.data_index.push_back(-1);
    s.partition_index.push_back(static_cast<int>(k));
  }
  s.full = plan::DataType::structure(std::move(full));
  return s;
}

plan::StructField metadata_field(bool with_row_index) {
  using plan::make_field;
  using plan::TypeId;
  std::vector<plan::StructField> f = {
      make_field("file_path", TypeId::kString, false),       make_field("file_name", TypeId::kString, false),
      make_field("file_size", TypeId::kLong, false),         make_field("file_block_start", TypeId::kLong, false),
      make_field("file_block_length", TypeId::kLong, false), make_field("file_modification_time", TypeId::kTimestamp, false)};
  if (with_row_index) f.push_back(make_field("row_index", TypeId::kLong, true));
  return make_field("_metadata", plan::DataType::structure(std::move(f)), false);
}

void throw_in_scan(const SparkError& error) { throw duckdb::InvalidInputException(kernel_error_text(error)); }

void throw_in_file(const DataFile& file, const SparkError& cause) {
  if (cause.kind() == ErrorKind::kUpgrade || cause.condition().starts_with("FAILED_READ_FILE.")) throw_in_scan(cause);
  SparkError error(ErrorKind::kSpark, "FAILED_READ_FILE.NO_HINT", {{"path", file.url()}});
  throw duckdb::InvalidInputException(kernel_error_text(error, &cause));
}

SparkError read_failed(const DataFile& file, const std::string& why, bool missing) {
  log::warn("read_failed", {{"path", file.display()}, {"why", why}});
  // A store's answer names the status and what to do, which Spark's sentence leaves out.
  if (!missing && !is_local(file.path)) return SparkError::Plain(ErrorKind::kSpark, why);
  return SparkError(ErrorKind::kSpark, missing ? "FAILED_READ_FILE.FILE_NOT_EXIST" : "FAILED_READ_FILE.NO_HINT", {{"path", file.url()}});
}

std::shared_ptr<FileRelation> make_row_relation(std::string format, FileIndex index, FileSchema schema, std::shared_ptr<const RowFormat> rows,
                                                ScanSettings settings, const plan::SessionConf& conf) {
  auto r = std::make_shared<RowRelation>();
  r->format_ = std::move(format);
  r->index = std::move(index);
  r->schema_ = std::move(schema);
  r->rows = std::move(rows);
  r->settings = std::move(settings);
  for (const auto& p : r->index.partitions) {
    std::vector<duckdb::Value> values;
    for (size_t c = 0; c < p.size(); ++c) values.push_back(partition_value(r->index.partition_fields[c], p[c], conf, r->settings.zone));
    r->partition_values.push_back(std::move(values));
  }
  std::string text = r->format_ + "|" + r->schema_.full.catalog_string();
  for (const auto& f : r->index.files) text += "|" + f.path + ":" + std::to_string(f.size) + ":" + std::to_string(f.modified_ms);
  r->fingerprint_ = text;
  std::lock_guard lock(registry().mu);
  r->handle = registry().next++;
  registry().relations[r->handle] = r;
  return r;
}

void register_row_scan(duckdb::DatabaseInstance& database) {
  duckdb::TableFunction f("tarn_file_scan", {duckdb::LogicalType::VARCHAR}, scan, bind, init_global, init_local);
  f.projection_pushdown = true;
  f.pushdown_complex_filter = prune;
  f.get_partition_data = partition_data;
  f.table_scan_progress = progress;
  f.cardinality = cardinality;
  f.get_virtual_columns = virtual_columns;
  duckdb::ExtensionLoader loader(database, "tarn");
  loader.RegisterFunction(f);
}

}  // namespace tarn::engine::sources
