// What comes in at the storage account and the key vault's doors: XML bodies, access lists, signatures, conditional headers, paths.
// The first byte says for whom the rest is.
#include <cstddef>
#include <cstdint>
#include <string>

#include "account/acl.h"
#include "account/conditions.h"
#include "account/error.h"
#include "account/exchange.h"
#include "account/sas.h"
#include "account/shared_key.h"

using namespace tarn;
using namespace tarn::account;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    switch (data[0] % 6) {
      case 0: parse_document(text, "BlockList"); break;
      case 1: {
        Acl acl = Acl::parse(text, data[0] & 8);
        acl.complete();
        if (Acl::parse(acl.text()).text() != acl.text()) __builtin_trap();
        break;
      }
      case 2: {
        http::Request r;
        r.method = "GET";
        r.target = "/c/p?" + text;
        if (!parse_target(&r)) break;
        string_to_sign(r, "account");
        if (auto sas = Sas::of(r.query)) sas->strings_to_sign("account", "/blob/account/c/p", r);
        break;
      }
      case 3: {
        Address a;
        parse_path(text, &a);
        // What is let through stays below its container.
        std::string inside = "/" + a.path + "/";
        if (inside.find("/../") != std::string::npos || inside.find("/./") != std::string::npos || inside.find('\0') != std::string::npos) __builtin_trap();
        break;
      }
      case 4: {
        http::Headers h;
        h.add("If-Match", text);
        h.add("If-Modified-Since", text);
        Conditions::of(h).check_read("\"x\"", 0);
        break;
      }
      default: metadata_of_properties(text); break;
    }
  } catch (const StorageError&) {
  }
  return 0;
}
