#pragma once
// Where the server goes when a user names a URL: only to hosts that were allowed, never to addresses of its own network unless those were.
#include <string>
#include <vector>

namespace tarn::http {

struct Url {
  std::string scheme, host, path;   // host in lower case, without brackets
  int port = 0;                     // the scheme's if the text has none
  bool has_user = false;            // "user:password@"
};
// RestError INVALID_PARAMETER_VALUE if it is no absolute URL.
Url parse_url(const std::string& text);

// Immutable, thread-safe.
class OutboundPolicy {
 public:
  // Hosts with commas between: "github.com", "*.example.com" (every host below), "10.0.0.5:8080" (that port alone). A host named without * may be
  // in a private network and may be spoken to without TLS.
  explicit OutboundPolicy(const std::string& hosts);
  // RestError if the server shall not go there. The name is looked up: one that leads into a private network counts as such.
  Url require(const std::string& url) const;

 private:
  struct Host {
    std::string name;   // without "*."
    int port = 0;       // 0: any
    bool below = false;
  };
  std::vector<Host> hosts_;
};

}  // namespace tarn::http
