#include "account/lease.h"

#include <algorithm>

#include "account/error.h"
#include "base/encoding.h"
#include "base/ids.h"

namespace tarn::account {

const char* lease_state(const Lease& lease, int64_t now_ms) {
  if (lease.id.empty() || lease.released) return "available";
  if (lease.breaks_ms) return lease.breaks_ms > now_ms ? "breaking" : "broken";
  if (lease.duration_s >= 0 && lease.expires_ms <= now_ms) return "expired";
  return "leased";
}

namespace {

void start(Lease& lease, const std::string& id, int64_t duration_s, int64_t now_ms) {
  lease = {id, duration_s, duration_s < 0 ? 0 : now_ms + duration_s * 1000, 0, false};
}

std::string guid(const std::string& text) {
  if (!is_uuid(lower_ascii(text))) throw StorageError("InvalidHeaderValue", "a lease ID is a GUID");
  return lower_ascii(text);
}

}  // namespace

LeaseAnswer apply(Lease& lease, const LeaseRequest& request, int64_t now_ms) {
  const std::string state = lease_state(lease, now_ms);
  auto same = [&] { return !request.id.empty() && guid(request.id) == lease.id; };
  if (request.action == "acquire") {
    if (!request.duration_s) throw StorageError("MissingRequiredHeader", "x-ms-lease-duration");
    int64_t d = *request.duration_s;
    if (d != -1 && (d < 15 || d > 60)) throw StorageError("InvalidHeaderValue", "x-ms-lease-duration is -1 or 15 to 60");
    std::string id = request.proposed_id.empty() ? random_uuid() : guid(request.proposed_id);
    if (state == "leased" && id != lease.id) throw StorageError("LeaseAlreadyPresent");
    if (state == "breaking") throw StorageError(id == lease.id ? "LeaseIsBreakingAndCannotBeAcquired" : "LeaseAlreadyPresent");
    start(lease, id, d, now_ms);
    return {201, id, {}};
  }
  if (request.action == "break") {
    if (state == "available") throw StorageError("LeaseNotPresentWithLeaseOperation");
    if (request.break_period_s && (*request.break_period_s < 0 || *request.break_period_s > 60)) {
      throw StorageError("InvalidHeaderValue", "x-ms-lease-break-period is 0 to 60");
    }
    if (state == "broken" || state == "expired") {
      lease.breaks_ms = lease.breaks_ms ? lease.breaks_ms : now_ms;
      return {202, "", 0};
    }
    // What is left of the lease bounds the period; an infinite lease breaks at once if no period is asked for.
    int64_t left = state == "breaking" ? lease.breaks_ms - now_ms : lease.duration_s < 0 ? -1 : lease.expires_ms - now_ms;
    int64_t period = request.break_period_s ? *request.break_period_s * 1000 : (left < 0 ? 0 : left);
    if (left >= 0 && period > left) period = left;
    lease.breaks_ms = std::max<int64_t>(1, now_ms + period);
    return {202, "", (period + 999) / 1000};
  }
  if (request.id.empty()) throw StorageError("MissingRequiredHeader", "x-ms-lease-id");
  if (lease.id.empty() || state == "available") throw StorageError("LeaseNotPresentWithLeaseOperation");
  if (request.action == "renew") {
    if (!same()) throw StorageError("LeaseIdMismatchWithLeaseOperation");
    if (state == "broken" || state == "breaking") throw StorageError("LeaseIsBrokenAndCannotBeRenewed");
    start(lease, lease.id, lease.duration_s, now_ms);
    return {200, lease.id, {}};
  }
  if (request.action == "change") {
    std::string id = guid(request.proposed_id);
    if (state == "breaking") throw StorageError("LeaseIsBreakingAndCannotBeChanged");
    if (state != "leased") throw StorageError("LeaseNotPresentWithLeaseOperation");
    if (!same() && lease.id != id) throw StorageError("LeaseIdMismatchWithLeaseOperation");
    lease.id = id;
    return {200, id, {}};
  }
  if (request.action == "release") {
    if (!same()) throw StorageError("LeaseIdMismatchWithLeaseOperation");
    lease.released = true;
    return {200, "", {}};
  }
  throw StorageError("InvalidHeaderValue", "x-ms-lease-action");
}

void check_named_lease(const Lease& lease, const std::string& id, int64_t now_ms, bool container) {
  if (id.empty()) return;
  const std::string state = lease_state(lease, now_ms);
  if (!is_locked(state)) {
    if (!lease.id.empty() && !lease.released && guid(id) == lease.id) throw StorageError("LeaseLost");
    throw StorageError(container ? "LeaseNotPresentWithContainerOperation" : "LeaseNotPresentWithBlobOperation");
  }
  if (guid(id) != lease.id) throw StorageError(container ? "LeaseIdMismatchWithContainerOperation" : "LeaseIdMismatchWithBlobOperation");
}

void require_lease(const Lease& lease, const std::string& id, int64_t now_ms, bool container) {
  if (id.empty() && is_locked(lease_state(lease, now_ms))) throw StorageError("LeaseIdMissing");
  check_named_lease(lease, id, now_ms, container);
}

}  // namespace tarn::account
