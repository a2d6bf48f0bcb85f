#pragma once
// What happened to blobs, for triggers: Microsoft.Storage.BlobCreated, BlobDeleted, BlobRenamed, DirectoryCreated, DirectoryRenamed,
// DirectoryDeleted, with the API that did it. A row is written as pending before the change and confirmed after it; a restart decides the
// pending ones by what the folders show, so an event is neither lost nor made up by a crash.
#include <cstdint>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/metadata.h"

namespace tarn::account {

struct Event {
  int64_t id = 0;                    // grows
  int64_t time_ms = 0;
  std::string type;                  // "BlobCreated" …
  std::string api;                   // "PutBlob", "PutBlockList", "FlushWithClose", "CopyBlob", "DeleteBlob", "DeleteFile", "RenameFile" …
  std::string container, path;
  std::string old_path;              // of renames: CONTAINER/PATH
  int64_t size = 0;
  std::string content_type, etag;
  // As triggers name it: "/blobServices/default/containers/C/blobs/P".
  std::string subject() const { return "/blobServices/default/containers/" + container + "/blobs/" + path; }
};

class EventLog;

// A row that is pending while the change is made. Whatever ends the scope decides it: what has happened is confirmed, anything else never was.
// Used by the thread that holds the connection.
class PendingEvent {
 public:
  PendingEvent(EventLog& log, Connection& db, int64_t id) : log_(log), db_(db), id_(id) {}
  ~PendingEvent();
  PendingEvent(const PendingEvent&) = delete;
  void happened() { happened_ = true; }
  // Confirms and commits the transaction.
  void commit(Transaction& transaction);

 private:
  EventLog& log_;
  Connection& db_;
  const int64_t id_;
  bool happened_ = false, decided_ = false;
};

// Thread-safe.
class EventLog {
 public:
  explicit EventLog(Metadata& db);
  // Within the caller's transaction. created: the identity of what the path names when it has happened; 0, 0 for a deletion.
  int64_t begin(Connection& db, const Event& event, int64_t inode, int64_t born);
  void confirm(Connection& db, int64_t id);
  void cancel(Connection& db, int64_t id);
  // After a crash: happened(event, inode, born) looks at the folders.
  void resolve(const std::function<bool(const Event&, int64_t inode, int64_t born)>& happened);

  // Confirmed events after this id, oldest first.
  std::vector<Event> after(int64_t id, size_t limit) const;
  int64_t last_id() const;
  // Until there is an event after this id, or the time is over.
  bool wait(int64_t id, int64_t timeout_ms) const;
  void forget_before(int64_t time_ms);

 private:
  Metadata& db_;
  mutable std::mutex mu_;
  mutable std::condition_variable changed_;
  int64_t confirmed_ = 0;            // guarded by mu_; the highest id confirmed in this process
};

}  // namespace tarn::account
