// Whatever comes in over HTTP is answered or refused with a RestError: targets, forms, URLs, filters, archives and notebooks of users.
// The first byte picks the reader.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/encoding.h"
#include "http/message.h"
#include "http/outbound.h"
#include "http/rest_error.h"
#include "http/router.h"
#include "identity/scim.h"
#include "workspace/notebook.h"
#include "workspace/zip.h"

using namespace tarn;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    switch (data[0] % 9) {
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
      default: workspace::write_dbc_notebook(workspace::read_dbc_notebook(text), "n"); break;
    }
  } catch (const http::RestError&) {
  } catch (const nlohmann::json::exception&) {   // the router's answer to a field of another type
  }
  return 0;
}
