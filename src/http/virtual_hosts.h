#pragma once
// Several handlers behind one port: the first that owns a request gets it.
#include <functional>
#include <utility>
#include <vector>

#include "http/message.h"

namespace tarn::http {

// Thread-safe once all are added.
class VirtualHosts : public Handler {
 public:
  explicit VirtualHosts(Handler& fallback) : fallback_(fallback) {}
  void add(std::function<bool(const Request&)> owns, Handler& handler) { hosts_.emplace_back(std::move(owns), &handler); }
  BodyPlan plan(const Request& head) override { return of(head).plan(head); }
  Response handle(Request& request) override { return of(request).handle(request); }

 private:
  Handler& of(const Request& request) {
    for (auto& [owns, handler] : hosts_) {
      if (owns(request)) return *handler;
    }
    return fallback_;
  }
  Handler& fallback_;
  std::vector<std::pair<std::function<bool(const Request&)>, Handler*>> hosts_;
};

}  // namespace tarn::http
