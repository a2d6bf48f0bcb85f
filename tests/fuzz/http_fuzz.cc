// Whatever comes in over HTTP is answered or refused with a RestError: targets, forms, URLs, filters, archives and notebooks of users.
// The first byte picks the reader.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/encoding.h"
#include "http/message.h"
#include "http/outbound.h"
#include "http/rest_error.h"
#include "http/router.h"
#include "http/websocket.h"
#include "identity/scim.h"
#include "identity/web_sessions.h"
#include "workspace/notebook.h"
#include "workspace/zip.h"

using namespace tarn;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    switch (data[0] % 10) {
      case 0: {
        http::Request request;
        request.target = std::string(text);
        http::parse_target(&request);
        break;
      }
      case 1: {
        size_t line = text.find('\n');
        if (line != std::string_view::npos) http::parse_multipart(text.substr(0, line), text.substr(line + 1));
        break;
      }
      case 2: http::parse_url(std::string(text)); break;
      case 3: {
        auto filter = identity::parse_scim_filter(text);
        filter(nlohmann::json{{"userName", "a"}, {"emails", {{{"value", "x"}}}}});
        break;
      }
      case 4: {
        auto json = nlohmann::json::parse(text, nullptr, false);
        nlohmann::json resource = {{"userName", "a"}, {"members", {{{"value", "1"}}}}};
        if (!json.is_discarded()) identity::apply_scim_patch(resource, json);
        break;
      }
      case 5: workspace::read_zip(text, 1 << 20); break;
      case 6: workspace::write_source(workspace::read_source(text, workspace::Language::kPython)); break;
      case 7: workspace::write_jupyter(workspace::read_jupyter(text), "n"); break;
      case 8: {   // the head of a request, a field a line: cookies, origins, the opening of a WebSocket
        http::Request request;
        request.method = "GET";
        for (size_t at = 0; at < text.size();) {
          size_t end = std::min(text.find('\n', at), text.size());
          std::string_view line = text.substr(at, end - at);
          if (size_t colon = line.find(':'); colon != std::string_view::npos) request.headers.add(std::string(line.substr(0, colon)), std::string(line.substr(colon + 1)));
          at = end + 1;
        }
        http::same_origin(request);
        identity::session_of(request);
        request.upgrade = http::wants_websocket(request);
        std::string token = http::bearer_of_subprotocols(request), chosen = http::choose_subprotocol(request);
        if (!token.empty() && chosen.find(token) != std::string::npos && token.size() > chosen.size()) __builtin_trap();
        break;
      }
      default: workspace::write_dbc_notebook(workspace::read_dbc_notebook(text), "n"); break;
    }
  } catch (const http::RestError&) {
  } catch (const nlohmann::json::exception&) {   // the router's answer to a field of another type
  }
  return 0;
}
