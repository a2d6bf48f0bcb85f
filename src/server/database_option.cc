#include "server/database_option.h"

#include <sys/stat.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/database.h"
#include "server/command.h"
#include "server/server_lease.h"

namespace fs = std::filesystem;

namespace tarn::server {

std::string database_of(const Settings& server, const std::string& home) {
  std::string url = server.get("database");
  const std::string& file = server.get("database-file");
  if (!url.empty() && !file.empty()) throw UsageError("--database and --database-file are two ways to say the same");
  if (!file.empty()) {
    struct stat st{};
    std::ifstream in(file);
    if (!std::getline(in, url) || url.empty()) throw CommandError("cannot read the URL of the database in " + file);
    if (::stat(file.c_str(), &st) == 0 && (st.st_mode & 077)) throw CommandError("others can read the URL of the database: chmod 600 " + file);
  }
  // Neither place is passed over in favour of an empty one.
  const std::string local = home + "/workspace.db";
  if (url.empty()) {
    if (!fs::exists(local) && ServerLease::was_held_for(home)) throw CommandError("the metadata of this home is in PostgreSQL: give --database or --database-file");
    return local;
  }
  if (!is_database_url(url)) throw UsageError("--database is a postgresql:// URL");
  if (fs::exists(local)) throw CommandError("this home has its metadata in workspace.db, which is not copied: to begin anew in PostgreSQL move that file away");
  const std::string& origin = server.all().find("database")->second.origin;
  if (origin == "flag" && has_password(url)) {
    throw UsageError("a password on the command line is seen by everybody on this machine: give the URL in TARN_SERVER_DATABASE, --database-file or tarn.toml");
  }
  if (char* value = std::getenv("TARN_SERVER_DATABASE")) {
    explicit_bzero(value, std::strlen(value));
    ::unsetenv("TARN_SERVER_DATABASE");
  }
  return url;
}

}  // namespace tarn::server
