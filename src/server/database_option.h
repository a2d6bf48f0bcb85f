#pragma once
// Where the workspace of a home keeps its metadata.
#include <string>

#include "server/settings.h"

namespace tarn::server {

// What Metadata wants, by the settings of `tarn server`: the home's workspace.db, or the URL that --database or --database-file says, which is
// then no longer in this process's environment. UsageError for a password on the command line, where everybody could read it; CommandError for a file that others
// can read, and where following the settings would begin anew beside metadata that is somewhere else.
std::string database_of(const Settings& server, const std::string& home);

}  // namespace tarn::server
