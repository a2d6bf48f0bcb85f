// Sessions and what is remembered of them: the handles of Spark Connect and their errors. Source: SparkConnectSessionManager, SessionHolder.
#include "connect/session_registry.h"

#include <doctest/doctest.h>
#include <spark/connect/base.pb.h>

#include <filesystem>

#include "base/ids.h"
#include "base/spark_error.h"
#include "connect/operation.h"
#include "engine/session.h"

using namespace tarn;
using connect::OperationState;
namespace sc = spark::connect;

namespace {

template <class F>
std::string condition_of(F f) {
  try {
    f();
  } catch (const SparkError& e) {
    return e.condition();
  }
  return "";
}

// An engine whose files go away with it.
struct Fixture {
  std::string home = (std::filesystem::temp_directory_path() / ("tarn-registry-" + random_uuid())).string();
  std::unique_ptr<engine::Engine> engine;
  std::unique_ptr<connect::SessionRegistry> registry;
  Fixture() {
    engine::EngineOptions options;
    options.home = home;
    std::filesystem::create_directories(home);
    engine = std::make_unique<engine::Engine>(options);
    registry = std::make_unique<connect::SessionRegistry>(*engine);
  }
  ~Fixture() {
    registry.reset();
    engine.reset();
    std::filesystem::remove_all(home);
  }
};

std::shared_ptr<connect::SessionState> detached_session() { return std::make_shared<connect::SessionState>("ann", random_uuid(), nullptr); }

std::shared_ptr<connect::Operation> operation(const std::shared_ptr<connect::SessionState>& session, const std::string& id,
                                              connect::ServiceCounters& counters) {
  connect::OperationSpec spec;
  spec.id = id;
  spec.reattachable = true;
  return std::make_shared<connect::Operation>(session, spec, std::make_unique<sc::Plan>(), counters);
}

}  // namespace

TEST_CASE("a session is its user's and its id's; the server-side id tells a restarted server") {
  Fixture f;
  const std::string id = random_uuid();
  auto mine = f.registry->get_or_create("ann", id, "");
  CHECK(f.registry->get_or_create("ann", id, mine->server_side_id()) == mine);
  CHECK(f.registry->get_or_create("bob", id, "") != mine);
  CHECK(f.registry->size() == 2);
  CHECK(condition_of([&] { f.registry->get_or_create("ann", id, random_uuid()); }) == "INVALID_HANDLE.SESSION_CHANGED");
  CHECK(condition_of([&] { f.registry->get_or_create("ann", random_uuid(), random_uuid()); }) == "INVALID_HANDLE.SESSION_CHANGED");
  CHECK(condition_of([&] { f.registry->get_or_create("ann", "no uuid", ""); }) == "INVALID_HANDLE.FORMAT");
  CHECK(condition_of([&] { f.registry->get("ann", random_uuid(), ""); }) == "INVALID_HANDLE.SESSION_NOT_FOUND");
  CHECK(!f.registry->find("eve", id));
}

TEST_CASE("a closed session stays closed unless its client may come back") {
  Fixture f;
  const std::string id = random_uuid(), other = random_uuid();
  auto first = f.registry->get_or_create("ann", id, "");
  CHECK(f.registry->remove("ann", id, false) == first);
  CHECK(!f.registry->remove("ann", id, false));
  CHECK(condition_of([&] { f.registry->get_or_create("ann", id, ""); }) == "INVALID_HANDLE.SESSION_CLOSED");
  CHECK(condition_of([&] { f.registry->get("ann", id, ""); }) == "INVALID_HANDLE.SESSION_CLOSED");
  CHECK(f.registry->get_or_create("bob", id, ""));  // the id is another user's too

  auto second = f.registry->get_or_create("ann", other, "");
  f.registry->remove("ann", other, true);
  CHECK(f.registry->get_or_create("ann", other, "") != second);
}

TEST_CASE("a clone has the source's user and an id of its own") {
  Fixture f;
  auto source = f.registry->get_or_create("ann", random_uuid(), "");
  const std::string id = random_uuid();
  auto copy = f.registry->clone(*source, id);
  CHECK(copy->user() == "ann");
  CHECK(copy->server_side_id() != source->server_side_id());
  CHECK(f.registry->find("ann", id) == copy);
  CHECK(condition_of([&] { f.registry->clone(*source, id); }) == "INVALID_CLONE_SESSION_REQUEST.TARGET_SESSION_ID_ALREADY_EXISTS");
  CHECK(condition_of([&] { f.registry->clone(*source, "x"); }) == "INVALID_CLONE_SESSION_REQUEST.TARGET_SESSION_ID_FORMAT");
  f.registry->remove("ann", id, false);
  CHECK(condition_of([&] { f.registry->clone(*source, id); }) == "INVALID_CLONE_SESSION_REQUEST.TARGET_SESSION_ID_ALREADY_CLOSED");
}

TEST_CASE("an operation runs once: its id is found while it runs and refused when it has ended") {
  auto session = detached_session();
  connect::ServiceCounters counters;
  int made = 0;
  auto make = [&] {
    ++made;
    return operation(session, "a", counters);
  };
  auto [first, fresh] = session->find_or_add("a", make);
  CHECK(fresh);
  auto [again, added] = session->find_or_add("a", make);
  CHECK(again == first);
  CHECK(!added);
  CHECK(made == 1);
  CHECK(session->operations().size() == 1);

  session->remove("a", OperationState::kSucceeded, false);
  session->remove("a", OperationState::kFailed, true);  // it is gone already: its end stays as it was
  CHECK(session->ended_as("a") == OperationState::kSucceeded);
  CHECK(!session->abandoned("a"));
  CHECK(!session->ended_as("b"));
  CHECK(condition_of([&] { session->find_or_add("a", make); }) == "INVALID_HANDLE.OPERATION_ABANDONED");
  CHECK(made == 1);
}

TEST_CASE("closing a session hands out what still runs, once, and lets nothing in") {
  auto session = detached_session();
  connect::ServiceCounters counters;
  session->find_or_add("a", [&] { return operation(session, "a", counters); });
  bool first = false;
  CHECK(session->close(&first).size() == 1);
  CHECK(first);
  session->close(&first);
  CHECK(!first);
  CHECK(condition_of([&] { session->find_or_add("b", [&] { return operation(session, "b", counters); }); }) == "INVALID_HANDLE.SESSION_CLOSED");
  session->remove("a", OperationState::kCancelled, true);  // breaks the cycle of session and operation
  CHECK(session->abandoned("a"));
}

TEST_CASE("errors are kept for one reading, the last twenty of them") {
  auto session = detached_session();
  auto keep = [&] { return session->keep_error(std::make_exception_ptr(SparkError(ErrorKind::kSpark, "DIVIDE_BY_ZERO", {{"config", "c"}}))); };
  const std::string oldest = keep();
  std::string newest;
  for (int i = 0; i < 20; ++i) newest = keep();
  sc::FetchErrorDetailsResponse response;
  CHECK(!session->take_error(oldest, &response));
  REQUIRE(session->take_error(newest, &response));
  REQUIRE(response.errors_size() > 0);
  CHECK(response.errors(0).spark_throwable().error_class() == "DIVIDE_BY_ZERO");
  CHECK(!session->take_error(newest, &response));
}
