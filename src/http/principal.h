#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace tarn::http {

// For whom a request speaks. Made by the authenticator, valid for one request.
struct Principal {
  int64_t id = 0;
  std::string name;                 // userName, or the applicationId of a service principal
  bool admin = false;
  bool service = false;             // a service principal
  std::vector<int64_t> groups;      // also those of groups
  std::string session = {};         // id of the web session that the request came with; "" for tokens

  // Whether an entry for this user or group speaks of them.
  bool is(int64_t principal) const { return principal == id || std::find(groups.begin(), groups.end(), principal) != groups.end(); }
};

}  // namespace tarn::http
