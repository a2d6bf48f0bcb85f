#include "server/own_account.h"

#include <exception>

#include "base/encoding.h"

namespace tarn::server {

bool OwnAccount::is_host(const std::string& account_host) const {
  std::string h = lower_ascii(account_host);
  for (const char* service : {".dfs.", ".blob."}) {
    for (const char* suffix : {"core.windows.net", "localhost"}) {
      if (h == name + service + suffix) return true;
    }
  }
  return false;
}

bool OwnAccount::is_own(const http::Url& url) const {
  bool here = url.host == "localhost" || url.host == "127.0.0.1" || url.host == "::1" || url.host == host || url.host.ends_with(".localhost");
  return here && !url.has_user && (url.port == port || url.port == inside_port);
}

void OwnAccount::complete(storage::Mount* mount) const {
  size_t at = mount->source.find('@');
  if (at == std::string::npos) return;
  std::string account_host = mount->source.substr(at + 1, mount->source.find('/', at) - at - 1);
  if (!is_host(account_host)) return;
  std::string& endpoint = mount->settings["fs.azure.account.endpoint." + account_host];
  try {
    if (!endpoint.empty() && !is_own(http::parse_url(endpoint))) return;
  } catch (const std::exception&) {   // no URL: the store will say so
    return;
  }
  endpoint = "http://127.0.0.1:" + std::to_string(inside_port) + "/" + name;
}

}  // namespace tarn::server
