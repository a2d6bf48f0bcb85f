#include "engine/storage_bridge.h"

#include <atomic>
#include <map>

#include "base/io_error.h"
#include "base/spark_error.h"
#include "catalog/catalog.h"
#include "duckdb/common/exception.hpp"
#include "duckdb/common/file_opener.hpp"
#include "duckdb/common/file_system.hpp"
#include "duckdb/common/open_file_info.hpp"
#include "duckdb/main/client_context.hpp"
#include "duckdb/main/client_context_state.hpp"
#include "engine/error_map.h"
#include "plan/session_conf.h"
#include "storage/parallel.h"
#include "storage/path.h"

namespace tarn::engine {
namespace {

constexpr char kStateKey[] = "tarn_storage";
constexpr char kStagedPrefix[] = "tarn-staged://";

class SessionSettings : public storage::Settings {
 public:
  SessionSettings(const plan::SessionConf& conf, const catalog::Catalog& catalog) : conf_(conf), catalog_(catalog) {}
  std::optional<std::string> find(const std::string& key) const override {
    if (auto v = conf_.find(key)) return v;
    if (auto v = conf_.find("spark.hadoop." + key)) return v;
    // "/Volumes/catalog/schema/volume"
    static constexpr std::string_view kVolume = "fs.dbfs.mount./Volumes/";
    if (!key.starts_with(kVolume)) return std::nullopt;
    std::string_view rest = std::string_view(key).substr(kVolume.size());
    size_t a = rest.find('/'), b = a == std::string_view::npos ? a : rest.find('/', a + 1);
    if (b == std::string_view::npos || rest.find('/', b + 1) != std::string_view::npos) return std::nullopt;
    auto volume = catalog_.get_volume(rest.substr(0, a), rest.substr(a + 1, b - a - 1), rest.substr(b + 1));
    return volume ? std::optional(volume->location) : std::nullopt;
  }

 private:
  const plan::SessionConf& conf_;
  const catalog::Catalog& catalog_;
};

struct State : duckdb::ClientContextState {
  std::shared_ptr<const storage::Settings> settings;
};

std::shared_ptr<const storage::Settings> settings_of(duckdb::optional_ptr<duckdb::ClientContext> context) {
  if (context) {
    if (auto state = context->registered_state->Get<State>(kStateKey)) return state->settings;
  }
  return storage::current_settings();
}

// The live StagedFiles by number.
std::mutex staged_mu;
std::map<uint64_t, StagedFiles*> staged;  // guarded by staged_mu
std::atomic<uint64_t> next_staged{1};

struct StagedPath {
  StagedFiles* files;
  std::string relative;
};
StagedPath find_staged(const std::string& path) {
  std::string rest = path.substr(sizeof kStagedPrefix - 1);
  size_t slash = rest.find('/');
  std::lock_guard lock(staged_mu);
  auto it = staged.find(std::strtoull(rest.c_str(), nullptr, 10));
  if (it == staged.end() || slash == std::string::npos) throw internal_error("no such staging area: " + path);
  return {it->second, rest.substr(slash + 1)};
}

class StagedWriter : public storage::FileWriter {
 public:
  StagedWriter(StagedPath at, std::unique_ptr<storage::FileWriter> below) : at_(std::move(at)), below_(std::move(below)) {}
  void write(std::string_view bytes) override { below_->write(bytes); }
  void finish() override { below_->finish(); }
  void publish() override {
    size_ = below_->size();
    at_.files->complete(at_.relative, std::move(below_));
  }
  uint64_t size() const override { return below_ ? below_->size() : size_; }

 private:
  StagedPath at_;
  std::unique_ptr<storage::FileWriter> below_;
  uint64_t size_ = 0;
};

// What storage/ throws, as DuckDB carries it to the client.
template <class F>
auto carried(F&& f) {
  try {
    return f();
  } catch (const IoError& e) {
    if (e.kind() == IoError::Kind::kNotFound) {
      throw duckdb::InvalidInputException(
          kernel_error_text(SparkError(ErrorKind::kSpark, "FAILED_READ_FILE.FILE_NOT_EXIST", {{"path", storage::display_uri(e.path())}})));
    }
    throw duckdb::InvalidInputException(kernel_error_text(SparkError::Plain(ErrorKind::kSpark, e.what())));
  } catch (const SparkError& e) {
    throw duckdb::InvalidInputException(kernel_error_text(e));
  }
}

// f on the store of a path, with the settings of the connection that opens it.
template <class F>
auto with_store(const std::string& path, duckdb::optional_ptr<duckdb::FileOpener> opener, F&& f) {
  return carried([&] {
    storage::SettingsScope scope(settings_of(duckdb::FileOpener::TryGetClientContext(opener)));
    return f(storage::store_for(path));
  });
}

struct Handle : duckdb::FileHandle {
  Handle(duckdb::FileSystem& fs, const std::string& path, duckdb::FileOpenFlags flags) : FileHandle(fs, path, flags) {}
  void Close() override {
    if (writer) {
      // Flushed or not, the file is complete: DuckDB closes a file that it has written to its end; one that it gives up is destroyed.
      auto w = std::move(writer);
      carried([&] { w->publish(); });
    }
  }
  std::shared_ptr<storage::RandomReader> reader;
  std::unique_ptr<storage::FileWriter> writer;
  duckdb::idx_t at = 0;
};

class StorageFileSystem : public duckdb::FileSystem {
 public:
  std::string GetName() const override { return "tarn storage"; }
  bool CanHandleFile(const std::string& path) override {
    if (path.starts_with(kStagedPrefix)) return true;
    std::string scheme = storage::scheme_of(path);
    return !scheme.empty() && scheme != "file" && storage::has_store(scheme);
  }

  int64_t Read(duckdb::FileHandle& handle, void* buffer, int64_t n) override {
    auto& h = handle.Cast<Handle>();
    int64_t take = std::clamp<int64_t>(static_cast<int64_t>(reader(h).info().size) - static_cast<int64_t>(h.at), 0, n);
    carried([&] { reader(h).read(h.at, static_cast<char*>(buffer), static_cast<size_t>(take)); });
    h.at += static_cast<duckdb::idx_t>(take);
    return take;
  }
  void Read(duckdb::FileHandle& handle, void* buffer, int64_t n, duckdb::idx_t location) override {
    auto& h = handle.Cast<Handle>();
    carried([&] { reader(h).read(location, static_cast<char*>(buffer), static_cast<size_t>(n)); });
  }
  int64_t Write(duckdb::FileHandle& handle, void* buffer, int64_t n) override {
    auto& h = handle.Cast<Handle>();
    carried([&] { writer(h).write({static_cast<const char*>(buffer), static_cast<size_t>(n)}); });
    h.at += static_cast<duckdb::idx_t>(n);
    return n;
  }
  void Write(duckdb::FileHandle& handle, void* buffer, int64_t n, duckdb::idx_t location) override {
    auto& h = handle.Cast<Handle>();
    if (location != h.at) throw duckdb::NotImplementedException("Objects are written from their start to their end");
    Write(handle, buffer, n);
  }
  int64_t GetFileSize(duckdb::FileHandle& handle) override {
    auto& h = handle.Cast<Handle>();
    return h.reader ? static_cast<int64_t>(h.reader->info().size) : static_cast<int64_t>(h.at);
  }
  duckdb::timestamp_t GetLastModifiedTime(duckdb::FileHandle& handle) override {
    auto& h = handle.Cast<Handle>();
    return duckdb::timestamp_t(h.reader ? h.reader->info().modified_ms * 1000 : 0);
  }
  std::string GetVersionTag(duckdb::FileHandle& handle) override {
    auto& h = handle.Cast<Handle>();
    if (!h.reader) return "";
    const auto& info = h.reader->info();
    // A file of a table never changes, so that its size is as good as a tag; of other files without a tag the time must tell.
    return info.tag.empty() && info.modified_ms == 0 ? "size " + std::to_string(info.size) : info.tag;
  }
  duckdb::FileType GetFileType(duckdb::FileHandle&) override { return duckdb::FileType::FILE_TYPE_REGULAR; }
  void FileSync(duckdb::FileHandle&) override {}
  void Seek(duckdb::FileHandle& handle, duckdb::idx_t location) override { handle.Cast<Handle>().at = location; }
  void Reset(duckdb::FileHandle& handle) override { handle.Cast<Handle>().at = 0; }
  duckdb::idx_t SeekPosition(duckdb::FileHandle& handle) override { return handle.Cast<Handle>().at; }
  bool CanSeek() override { return true; }
  bool OnDiskFile(duckdb::FileHandle&) override { return false; }
  std::string PathSeparator(const std::string&) override { return "/"; }

  bool DirectoryExists(const std::string& path, duckdb::optional_ptr<duckdb::FileOpener> opener) override {
    if (path.starts_with(kStagedPrefix)) return true;
    auto info = stat(path, opener);
    return info && info->is_directory;
  }
  bool FileExists(const std::string& path, duckdb::optional_ptr<duckdb::FileOpener> opener) override {
    if (path.starts_with(kStagedPrefix)) return false;
    auto info = stat(path, opener);
    return info && !info->is_directory;
  }
  void CreateDirectory(const std::string& path, duckdb::optional_ptr<duckdb::FileOpener> opener) override {
    if (!path.starts_with(kStagedPrefix)) with_store(path, opener, [&](auto& s) { s.make_directories(path); });
  }
  void RemoveFile(const std::string& path, duckdb::optional_ptr<duckdb::FileOpener> opener) override {
    if (!path.starts_with(kStagedPrefix)) with_store(path, opener, [&](auto& s) { s.remove(path); });
  }
  bool TryRemoveFile(const std::string& path, duckdb::optional_ptr<duckdb::FileOpener> opener) override {
    return !path.starts_with(kStagedPrefix) && with_store(path, opener, [&](auto& s) { return s.remove(path); });
  }
  bool ListFiles(const std::string& path, const std::function<void(const std::string&, bool)>& callback, duckdb::FileOpener* opener) override {
    if (path.starts_with(kStagedPrefix)) return true;
    auto all = with_store(path, duckdb::optional_ptr<duckdb::FileOpener>(opener), [&](auto& s) { return s.list(path); });
    for (const auto& f : all) callback(storage::file_name(f.path), f.is_directory);
    return true;
  }

 protected:
  bool SupportsOpenFileExtended() const override { return true; }
  duckdb::unique_ptr<duckdb::FileHandle> OpenFileExtended(const duckdb::OpenFileInfo& file, duckdb::FileOpenFlags flags,
                                                          duckdb::optional_ptr<duckdb::FileOpener> opener) override {
    const std::string& path = file.path;
    auto handle = duckdb::make_uniq<Handle>(*this, path, flags);
    if (flags.OpenForWriting()) {
      if (flags.OpenForReading() || flags.OpenForAppending()) throw duckdb::NotImplementedException("Objects are written from their start to their end");
      if (path.starts_with(kStagedPrefix)) handle->writer = carried([&] { return open_staged(path); });
      else handle->writer = with_store(path, opener, [&](auto& s) { return s.create(path); });
      return handle;
    }
    // A scan that knows the file spares asking the store.
    std::optional<storage::FileInfo> known;
    if (file.extended_info) {
      const auto& o = file.extended_info->options;
      auto size = o.find(kKnownSize), tag = o.find(kKnownTag);
      if (size != o.end() && tag != o.end()) {
        known = storage::FileInfo{path, size->second.GetValue<uint64_t>(), 0, false, tag->second.ToString()};
      }
    }
    if (flags.ReturnNullIfNotExists() && !known && !FileExists(path, opener)) return nullptr;
    handle->reader = with_store(path, opener, [&](auto& s) {
      if (known) {
        if (auto next = file.extended_info->options.find(kNextFiles); next != file.extended_info->options.end()) {
          const auto& texts = duckdb::ListValue::GetChildren(next->second);
          for (size_t i = 0; i + 2 < texts.size(); i += 3) {
            const std::string& name = duckdb::StringValue::Get(texts[i]);
            storage::expect(storage::store_for(name), {name, std::strtoull(duckdb::StringValue::Get(texts[i + 1]).c_str(), nullptr, 10), 0, false,
                                                       duckdb::StringValue::Get(texts[i + 2])});
          }
        }
      }
      return s.open(path, known ? &*known : nullptr);
    });
    return handle;
  }

 private:
  static storage::RandomReader& reader(Handle& h) {
    if (!h.reader) throw duckdb::InternalException("a file that is written is read");
    return *h.reader;
  }
  static storage::FileWriter& writer(Handle& h) {
    if (!h.writer) throw duckdb::InternalException("a file that is read is written");
    return *h.writer;
  }
  static std::optional<storage::FileInfo> stat(const std::string& path, duckdb::optional_ptr<duckdb::FileOpener> opener) {
    return with_store(path, opener, [&](auto& s) { return s.stat(path); });
  }
};

}  // namespace

std::shared_ptr<const storage::Settings> settings_of(const plan::SessionConf& conf, const catalog::Catalog& catalog) {
  return std::make_shared<SessionSettings>(conf, catalog);
}

void register_storage(duckdb::DatabaseInstance& database) {
  duckdb::FileSystem::GetFileSystem(database).RegisterSubSystem(duckdb::make_uniq<StorageFileSystem>());
}

void set_storage_settings(duckdb::ClientContext& context, std::shared_ptr<const storage::Settings> settings) {
  auto state = duckdb::make_shared_ptr<State>();
  state->settings = std::move(settings);
  context.registered_state->Remove(kStateKey);
  context.registered_state->Insert(kStateKey, std::move(state));
}

StorageScope::StorageScope(duckdb::ClientContext& context) : scope_(settings_of(duckdb::optional_ptr<duckdb::ClientContext>(&context))) {}

std::string duckdb_path(const std::string& path) {
  auto local = storage::local_path(path);
  return local ? *local : path;
}
bool is_local(const std::string& path) { return storage::local_path(path).has_value(); }

StagedFiles::StagedFiles(Place place, bool at_once) : place_(std::move(place)), at_once_(at_once), settings_(storage::current_settings()) {
  uint64_t id = next_staged++;
  directory_ = kStagedPrefix + std::to_string(id);
  std::lock_guard lock(staged_mu);
  staged[id] = this;
}

StagedFiles::~StagedFiles() {
  std::lock_guard lock(staged_mu);
  std::erase_if(staged, [&](const auto& s) { return s.second == this; });
}

std::unique_ptr<storage::FileWriter> StagedFiles::create(const std::string& relative) {
  storage::SettingsScope scope(settings_);
  std::string path = place_(relative);
  return storage::store_for(path).create(path, at_once_);
}

void StagedFiles::complete(const std::string& relative, std::unique_ptr<storage::FileWriter> writer) {
  if (at_once_) writer->publish();
  else writer->finish();
  File f{relative, place_(relative), writer->size(), at_once_ ? nullptr : std::move(writer)};
  std::lock_guard lock(mu_);
  files_.push_back(std::move(f));
}

void StagedFiles::publish() {
  for (auto& f : files_) {
    if (!f.writer) continue;
    f.writer->publish();
    f.writer.reset();
  }
}

bool is_staged(const std::string& path) { return path.starts_with(kStagedPrefix); }

std::unique_ptr<storage::FileWriter> open_staged(const std::string& path) {
  StagedPath at = find_staged(path);
  auto below = at.files->create(at.relative);
  return std::make_unique<StagedWriter>(std::move(at), std::move(below));
}

}  // namespace tarn::engine
