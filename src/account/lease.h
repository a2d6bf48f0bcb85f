#pragma once
// The life of a lease: available → leased → expired | breaking → broken → leased … Source: "Lease Blob", "Lease Container".
#include <optional>
#include <string>

#include "account/properties.h"

namespace tarn::account {

const char* lease_state(const Lease& lease, int64_t now_ms);      // available, leased, expired, breaking, broken
inline bool is_locked(const std::string& state) { return state == "leased" || state == "breaking"; }

struct LeaseRequest {
  std::string action;                      // acquire, renew, change, release, break
  std::string id, proposed_id;             // GUIDs
  std::optional<int64_t> duration_s;       // of acquire: -1 or 15 to 60
  std::optional<int64_t> break_period_s;   // 0 to 60
};

struct LeaseAnswer {
  int status = 200;
  std::string id;                          // "": not shown
  std::optional<int64_t> remaining_s;      // of break
};

// Changes the lease or throws StorageError.
LeaseAnswer apply(Lease& lease, const LeaseRequest& request, int64_t now_ms);

// Whether somebody with this lease id ("" for none) may write; StorageError if not. container: for the names of the errors.
void require_lease(const Lease& lease, const std::string& id, int64_t now_ms, bool container);
// A reader needs no lease, but one that is named must be the right one.
void check_named_lease(const Lease& lease, const std::string& id, int64_t now_ms, bool container);

}  // namespace tarn::account
