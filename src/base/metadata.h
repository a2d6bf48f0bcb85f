#pragma once
// The control plane's database: one SQLite file, in which every room keeps its own tables and its own list of migrations.
#include <span>
#include <string>
#include <string_view>

#include "base/sqlite.h"

namespace tarn {

// Thread-safe: a lease is one connection for one thread.
class Metadata {
 public:
  explicit Metadata(const std::string& file);
  // Brings the tables of one room to steps.size(); each step is one transaction, run once. steps only ever grow at the end.
  // SqliteError if the file was written by a newer program.
  void migrate(std::string_view room, std::span<const char* const> steps);
  SqlitePool::Lease lease() { return pool_.lease(); }

 private:
  SqlitePool pool_;
};

}  // namespace tarn
