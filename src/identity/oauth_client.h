#pragma once
// What every endpoint that gives out tokens to clients does first.
#include <string>

#include "identity/families.h"

namespace tarn::identity {

// "https://host:port" as the client has it. RestError of RFC 6749 if the Host header is none.
std::string origin_of(const http::Request& request);

// The service principal of a client_credentials request: its id and secret come in the form or as Basic (RFC 6749, 2.3.1). What is refused has
// RFC 6749's codes, with these words; failures are counted by the throttle. The client's id is in the audit log either way.
struct OAuthWords {
  const char* throttled_code;        // "slow_down"
  const char* no_grant;              // grant_type is missing
  const char* other_grant;
  const char* bad_client;            // unknown, inactive or another secret: nobody learns which
};
Entry authenticate_client(http::Call& call, const Directory& directory, const Credentials& credentials, LoginThrottle& throttle, const OAuthWords& words);

}  // namespace tarn::identity
