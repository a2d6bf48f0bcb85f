#pragma once
// What the account keeps: plain folders and files below ROOT/data/CONTAINER, and beside them a database of what a file system does not
// know (entity tags, metadata, access lists, leases).
//
// Invariants. A file's or folder's row is found by its identity: the inode and its time of birth. So a rename of any tree is one rename(2)
// and moves the properties along, and what others put into the folders is there with default properties. Content that replaces content is
// written to ROOT/staging, made durable, given its row, and then renamed into place: readers see the old file with the old properties or
// the new one with the new. Appended data is written behind the end of the file; the row's `committed` is the length that readers see
// until a flush commits it. What is deleted is renamed into ROOT/trash first.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "account/events.h"
#include "account/properties.h"
#include "base/metadata.h"
#include "base/rooted_folder.h"

namespace tarn::account {

struct Identity {
  int64_t inode = 0, born = 0;       // born: nanoseconds
  bool operator==(const Identity&) const = default;
};

struct Entry {
  bool directory = false;
  int64_t size = 0;                  // what readers see
  Identity identity;
  bool has_row = false;              // else the properties are defaults
  Properties properties;
  std::shared_ptr<Descriptor> held;  // keeps the inode from being given to another file
};

// A file that is not in its place yet; gone with this object unless it was published.
class Staged {
 public:
  Staged(const RootedFolder& folder, std::string name, Descriptor fd) : folder_(folder), name_(std::move(name)), fd_(std::move(fd)) {}
  Staged(Staged&& other) noexcept : folder_(other.folder_), name_(std::move(other.name_)), fd_(std::move(other.fd_)) { other.name_.clear(); }
  ~Staged();
  const Descriptor& file() const { return fd_; }
  const std::string& name() const { return name_; }
  void keep() { name_.clear(); }

 private:
  const RootedFolder& folder_;
  std::string name_;
  Descriptor fd_;
};

class Store;

// An append in progress. While it lives, a flush of the file leaves the bytes behind the committed length alone.
struct Appending {
  Appending(Store& s, Entry e, Descriptor f) : store(s), entry(std::move(e)), file(std::move(f)) {}
  Appending(const Appending&) = delete;
  ~Appending();
  Store& store;
  Entry entry;                       // as it was at the beginning
  Descriptor file;
};

struct StagedBlock {
  std::string id, file;              // file: in ROOT/staging
  int64_t size = 0, created_ms = 0;
};

struct Listed {
  std::string path;
  Entry entry;
};

struct ListRequest {
  std::string directory;             // "": the root
  std::string name_prefix;           // of the names in this directory
  bool recursive = false, directories = true;   // directories: whether they are in the answer
  std::string after;                 // key of the last one seen, see key_of
  size_t limit = 5000;
};

// Where a path stands in listings: byte order, directories as "name/".
inline std::string key_of(const std::string& path, bool directory) { return directory ? path + "/" : path; }

// Thread-safe. Reading takes no lock; who changes a container holds its lock from the check of the conditions to the change.
// Paths are "a/b"; "" is the container's root. Unless said otherwise a missing container is StorageError FilesystemNotFound.
class Store {
 public:
  explicit Store(std::string root);            // makes it; sweeps what a crash left behind
  using Lock = std::vector<std::unique_lock<std::mutex>>;
  Lock lock(const std::string& container);
  Lock lock(const std::string& a, const std::string& b);

  std::vector<std::string> containers() const;                       // sorted
  std::optional<ContainerProperties> container(const std::string& name) const;
  ContainerProperties require_container(const std::string& name) const;
  bool create_container(ContainerProperties p);                      // false: it exists
  void update_container(const ContainerProperties& p);
  void delete_container(const std::string& name);

  std::optional<Entry> find(const std::string& container, const std::string& path) const;
  // For reading; not open if it is missing or a directory.
  Descriptor open(const std::string& container, const std::string& path, std::optional<Entry>* entry) const;
  void update(const Entry& entry);                                   // writes its row
  std::vector<Listed> list(const std::string& container, const ListRequest& request, bool* more) const;

  Staged stage() const;
  // Puts a staged file in its place. replaced: what find() said is there. api: of the event.
  Entry publish(const std::string& container, const std::string& path, Staged& staged, Properties properties, const std::optional<Entry>& replaced,
                const std::string& api);
  // make(parent's entry): the properties of a new directory. StorageError PathConflict if a file is in the way.
  using MakeProperties = std::function<Properties(const Entry& parent)>;
  void make_directories(const std::string& container, const std::string& path, const MakeProperties& make);
  void rename(const std::string& from_container, const std::string& from, const Entry& source, const std::string& to_container, const std::string& to,
              const std::optional<Entry>& replaced);
  // With everything below it. StorageError DirectoryNotEmpty if that is there and not wanted.
  void remove(const std::string& container, const std::string& path, const Entry& entry, bool recursive, const std::string& api);

  // Appended data: begin (under the lock) marks the committed length before the first byte is written behind it; end (without the lock)
  // registers the range, or throws PathConflict if the file was replaced or flushed meanwhile.
  std::unique_ptr<Appending> begin_append(const std::string& container, const std::string& path, Entry entry);
  void end_append(const std::string& container, const std::string& path, const Appending& append, int64_t from, int64_t to);
  // Whether appended ranges cover [committed, position) without a hole.
  bool covered(const Entry& entry, int64_t position) const;
  int64_t appended_end(const Entry& entry) const;
  // The file now has this length; properties are written with it. Data behind it is dropped unless retain.
  void commit_appended(const std::string& container, const std::string& path, Entry& entry, int64_t position, bool retain, const std::string& api);

  void add_block(const std::string& container, const std::string& path, const std::string& id, Staged& staged, int64_t size);
  std::vector<StagedBlock> blocks(const std::string& container, const std::string& path) const;   // in the order of arrival
  std::optional<std::string> any_block(const std::string& container, const std::string& path) const;   // the id of one of them
  void drop_blocks(const std::string& container, const std::string& path);
  Descriptor open_staged(const std::string& file) const;

  EventLog& events() { return events_; }
  const EventLog& events() const { return events_; }
  RootedFolder folder(const std::string& container) const;

 private:
  friend struct Appending;
  Entry describe(Descriptor fd, Connection& db) const;
  void forget(const Identity& identity, Connection& db);
  void put_row(const Identity& identity, const Properties& p, Connection& db);
  void dispose(const std::string& trashed);
  void sweep();
  void walk(Connection& db, const RootedFolder& folder, const std::string& path, const ListRequest& request, bool first, std::vector<Listed>* out, bool* more) const;

  std::string root_;
  RootedFolder data_, staging_, trash_;
  static constexpr std::string_view kLock = "account";   // of transactions
  mutable Metadata db_;
  EventLog events_;
  std::mutex mu_;
  std::unordered_map<std::string, std::shared_ptr<std::mutex>> locks_;  // guarded by mu_; one for each name ever locked
  std::map<std::pair<int64_t, int64_t>, int> appending_;                // guarded by mu_; appends in progress of an identity
};

// Makes what was written to the file, or the entries of the folder, durable. IoError.
void sync_file(const Descriptor& fd);
void sync_folder(const RootedFolder& folder, const std::string& path);

}  // namespace tarn::account
