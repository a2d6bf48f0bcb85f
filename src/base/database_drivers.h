#pragma once
// Inside the room: the two databases behind base/database.h.
#include <memory>
#include <string>

#include "base/database.h"

namespace tarn {

std::unique_ptr<Connection> connect_sqlite(const std::string& file);
// url: as libpq has it, with its parameters for TLS (sslmode, sslrootcert, ...) and several hosts.
std::unique_ptr<Connection> connect_postgres(const std::string& url, std::function<void(Connection&)> admit);

}  // namespace tarn
