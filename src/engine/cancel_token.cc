#include "base/spark_error.h"
#include "engine/session.h"

namespace tarn::engine {

void CancelToken::cancel() {
  // The lock is held while callbacks run, so that remove() cannot return in the middle of one.
  std::lock_guard lock(mu_);
  if (cancelled_.exchange(true)) return;
  for (auto& [id, callback] : callbacks_) callback();
}

void CancelToken::throw_if_cancelled() const {
  if (cancelled_) throw SparkError(ErrorKind::kSpark, "OPERATION_CANCELED");
}

int CancelToken::on_cancel(std::function<void()> callback) {
  std::lock_guard lock(mu_);
  if (cancelled_) {
    callback();
    return -1;
  }
  callbacks_.emplace(next_, std::move(callback));
  return next_++;
}

void CancelToken::remove(int id) {
  std::lock_guard lock(mu_);
  callbacks_.erase(id);
}

}  // namespace tarn::engine
