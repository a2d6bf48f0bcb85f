#pragma once
// The Shared Key scheme: what is signed, and the signature. Source: "Authorize with Shared Key", Azure Storage REST documentation.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/message.h"

namespace tarn::account {

// A decoded query. Requests whose query does not decode are refused before they come here (http::parse_target).
using Query = std::vector<std::pair<std::string, std::string>>;

// x-ms-… headers as "name:value\n", in the order in which the service compares names: by the weight of their characters (_ before digits
// before letters, - counts only between names that are else the same), not by byte.
std::string canonical_headers(const http::Headers& headers);
// Whether the service sorts a before b.
bool header_before(std::string_view a, std::string_view b);

// The text that a request with the scheme SharedKey signs (2009-09-19 and later; an empty Content-Length for 0 since 2015-02-21).
std::string string_to_sign(const http::Request& request, std::string_view account, bool plus_is_space = false);
// The text of SharedKeyLite.
std::string string_to_sign_lite(const http::Request& request, std::string_view account);

// In time that does not depend on where they differ.
bool same_signature(std::string_view a, std::string_view b);

}  // namespace tarn::account
