#include "clusters/contexts.h"

#include <deque>
#include <filesystem>

#include "base/encoding.h"
#include "base/log.h"
#include "http/rest_error.h"

namespace tarn::clusters {
namespace {

using http::RestError;

constexpr size_t kMaxContexts = 64;           // of one cluster
constexpr size_t kMaxUnfinished = 100;        // commands of one context
constexpr size_t kMaxFinished = 200;          // whose results are kept
constexpr size_t kMaxText = 2 << 20;
constexpr size_t kTextSlack = 256 << 10;      // kept beyond it, so that a value at the cut is still seen whole
constexpr size_t kMaxImages = 50, kMaxImageBytes = 16 << 20;   // of one command
constexpr size_t kMaxTable = 8 << 20;         // the driver keeps to less; code that speaks in its place is not believed
constexpr size_t kMaxKept = 64 << 20;         // results of one context
constexpr std::string_view kTruncated = "\n*** WARNING: the output was truncated ***\n";

void remove_folder(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

RestError no_context(const std::string& id) { return {404, "ContextNotFound", "There is no execution context " + id.substr(0, 80) + "."}; }

}  // namespace

const char* status_name(CommandState::Status s) {
  static constexpr const char* kNames[] = {"Queued", "Running", "Cancelling", "Finished", "Cancelled", "Error"};
  return kNames[static_cast<int>(s)];
}

struct ExecutionContexts::Context {
  std::string id, cluster, language;
  http::Principal owner;
  std::vector<std::string> audiences;
  std::unique_ptr<Interpreter> interpreter;
  std::mutex mu;
  std::deque<std::pair<std::string, std::shared_ptr<Command>>> commands;   // guarded by mu; oldest first
  std::string token_id;                                                    // guarded by mu
};

// What one command has said so far.
class ExecutionContexts::Command : public CellListener {
 public:
  Command(Supervisor& supervisor, secrets::Redactor& redactor, const Context& context)
      : supervisor_(supervisor), redactor_(redactor), cluster_(context.cluster), audiences_(context.audiences) {
    supervisor_.begin_use(cluster_);
  }

  void begin() override {
    std::lock_guard lock(mu_);
    if (state_.status == CommandState::Status::kQueued) state_.status = CommandState::Status::kRunning;
  }

  void output(Json o) override {
    std::lock_guard lock(mu_);
    std::string kind = o.value("kind", "");
    auto add = [&](const std::string& text) {
      if (text_.size() < kMaxText + kTextSlack) text_ += text;
      else lost_ = true;
    };
    if (kind == "stream") {
      add(o.value("text", ""));
    } else if (kind == "table") {
      bool too_large = o.value("rows", Json::array()).dump(-1, ' ', false, Json::error_handler_t::replace).size() > kMaxTable;
      if (too_large) o["rows"] = Json::array(), o["truncated"] = true;
      table_ = {{"resultType", "table"}, {"schema", o.value("schema", Json::array())}, {"data", o.value("rows", Json::array())},
                {"truncated", o.value("truncated", false)}, {"isJsonSchema", true}};
      last_ = "table";
    } else if (kind == "image") {
      std::string url = "data:" + o.value("mime", "image/png") + ";base64," + o.value("data", "");
      image_bytes_ += url.size();
      if (images_.empty() || (images_.size() < kMaxImages && image_bytes_ <= kMaxImageBytes)) images_.push_back(std::move(url));
      else lost_ = true;
      last_ = "image";
    } else {
      if (!text_.empty() && !text_.ends_with('\n')) add("\n");
      add(o.value("data", ""));
      if (kind == "html") last_ = "text";
    }
  }

  void end(CellEnd end) override {
    {
      std::lock_guard lock(mu_);
      using S = CellEnd::Status;
      auto values = redactor_.values(audiences_);
      Json r;
      std::string text = values.redact(std::move(text_));
      text_.clear();
      taken_ = 0;
      if (text.size() > kMaxText || lost_) {
        size_t cut = std::min(text.size(), kMaxText);
        while (cut > 0 && cut < text.size() && (text[cut] & 0xC0) == 0x80) --cut;   // between characters
        text.resize(cut);
        text += kTruncated;
        lost_ = true;
      }
      switch (end.status) {
        case S::kError:
          r = {{"resultType", "error"}, {"summary", end.name.empty() ? end.message : end.name + (end.message.empty() ? "" : ": " + end.message)}, {"cause", end.traceback}};
          break;
        case S::kCancelled:
          r = {{"resultType", "error"}, {"summary", "Command was cancelled"}, {"cause", end.traceback.empty() ? "Command was cancelled" : end.traceback}};
          break;
        case S::kExit:
          r = {{"resultType", "text"}, {"data", end.value}};
          break;
        case S::kOk:
          if (last_ == "table") {
            r = std::move(table_);
          } else if (last_ == "image") {
            r = {{"resultType", images_.size() == 1 ? "image" : "images"}, {"fileName", images_.front()}, {"fileNames", images_}};
          } else {
            r = {{"resultType", "text"}, {"data", text}};
            if (lost_) r["truncated"] = true;
          }
          break;
      }
      bool shows_text = r["resultType"] == "text";
      // Images are none of the values' business, and long.
      if (r["resultType"] != "image" && r["resultType"] != "images") values.redact(&r);
      // Not of the API, which knows one result a command: what was printed besides.
      if (!shows_text && !text.empty()) r["text"] = text;
      size_ = r.dump(-1, ' ', false, Json::error_handler_t::replace).size() + text.size();
      shown_ = std::move(text);
      state_.results = std::move(r);
      state_.status = end.status == S::kCancelled ? CommandState::Status::kCancelled : CommandState::Status::kFinished;
      table_ = nullptr;
      images_.clear();
    }
    supervisor_.end_use(cluster_);
  }

  void cancelling() {
    std::lock_guard lock(mu_);
    if (!ended()) state_.status = CommandState::Status::kCancelling;
  }
  CommandState state() const {
    std::lock_guard lock(mu_);
    return state_;
  }
  CommandOutput output(size_t from) {
    std::lock_guard lock(mu_);
    if (!ended() && shown_.size() < kMaxText) {
      auto values = redactor_.values(audiences_);
      std::string_view rest = std::string_view(text_).substr(taken_);
      size_t safe = values.safe_prefix(rest);
      shown_ += values.redact(std::string(rest.substr(0, safe)));
      taken_ += safe;
    }
    from = std::min(from, shown_.size());
    return {shown_.substr(from), shown_.size(), state_};
  }
  // The bytes of its results; nullopt while it has not ended.
  std::optional<size_t> kept() const {
    std::lock_guard lock(mu_);
    return ended() ? std::optional(size_) : std::nullopt;
  }

 private:
  bool ended() const { return state_.status == CommandState::Status::kFinished || state_.status == CommandState::Status::kCancelled; }
  Supervisor& supervisor_;
  secrets::Redactor& redactor_;
  const std::string cluster_;
  const std::vector<std::string> audiences_;
  mutable std::mutex mu_;
  CommandState state_;             // guarded by mu_
  std::string shown_;              // guarded by mu_: the beginning of what was printed, less secrets, as far as somebody wanted to see it
  size_t taken_ = 0;               // guarded by mu_: how much of text_ that is
  std::string text_, last_;        // guarded by mu_; last_: what the result is, if it is not text
  Json table_;                     // guarded by mu_
  std::vector<std::string> images_;// guarded by mu_
  bool lost_ = false;              // guarded by mu_: something was too much
  size_t image_bytes_ = 0, size_ = 0;   // guarded by mu_
};

ExecutionContexts::ExecutionContexts(Supervisor& supervisor, Environments& environments, secrets::Redactor& redactor, ContextHooks hooks)
    : supervisor_(supervisor), environments_(environments), redactor_(redactor), hooks_(std::move(hooks)) {
  supervisor.watch(this);
}

ExecutionContexts::~ExecutionContexts() { stop(); }

std::string ExecutionContexts::create(const http::Principal& caller, const Cluster& cluster, const std::string& language) {
  auto c = std::make_shared<Context>();
  c->id = random_hex(16);
  c->cluster = cluster.id;
  c->language = language;
  c->owner = caller;
  c->audiences = {"user/" + std::to_string(caller.id), "cluster/" + cluster.id, "context/" + c->id};
  InterpreterOptions options;
  Context* raw = c.get();   // outlives its interpreter
  options.prepare = [this, raw] {
    DriverOptions o;
    auto cluster = supervisor_.cluster(raw->cluster);
    if (!cluster || !supervisor_.running_endpoint(raw->cluster)) throw std::runtime_error("the cluster is not running");
    o.python = environments_.python(raw->cluster);
    o.packages = environments_.packages();
    o.directory = environments_.home(raw->cluster) + "/contexts/" + raw->id;
    o.log = environments_.home(raw->cluster) + "/logs/python.log";
    o.environment = supervisor_.environment_of(*cluster);
    // "17.3" of "17.3.x-scala2.13": libraries ask for it to know where they run.
    std::string version = cluster->spec.value("spark_version", "");
    o.environment.emplace_back("DATABRICKS_RUNTIME_VERSION", version.substr(0, version.find('.', version.find('.') + 1)));
    o.environment.emplace_back("VIRTUAL_ENV", environments_.home(raw->cluster) + "/python");
    std::string token_id;
    o.hello = hooks_.connect(raw->owner, raw->cluster, &token_id);
    o.hello["type"] = "hello";
    redactor_.revealed("context/" + raw->id, o.hello.value("token", ""));
    std::string before;
    {
      std::lock_guard lock(raw->mu);
      before = std::exchange(raw->token_id, token_id);
    }
    if (!before.empty()) hooks_.disconnect(before);
    return o;
  };
  {
    std::lock_guard lock(mu_);
    size_t n = 0;
    for (const auto& [id, other] : contexts_) n += other->cluster == cluster.id;
    if (n >= kMaxContexts) {
      throw RestError(400, "TooManyExecutionContexts", "Too many execution contexts are open right now (limit set to " + std::to_string(kMaxContexts) + "): destroy some.");
    }
    c->interpreter = std::make_unique<Interpreter>(std::move(options));
    contexts_.emplace(c->id, c);
  }
  log::info("context_created", {{"context", c->id}, {"cluster", cluster.id}, {"user", caller.name}});
  return c->id;
}

std::shared_ptr<ExecutionContexts::Context> ExecutionContexts::require(const http::Principal& caller, const std::string& cluster, const std::string& context) const {
  std::lock_guard lock(mu_);
  auto it = contexts_.find(context);
  if (it == contexts_.end() || it->second->cluster != cluster || it->second->owner.id != caller.id) throw no_context(context);
  return it->second;
}

std::shared_ptr<ExecutionContexts::Command> ExecutionContexts::require_command(const Context& context, const std::string& command) const {
  std::lock_guard lock(const_cast<Context&>(context).mu);
  for (const auto& [id, c] : context.commands) {
    if (id == command) return c;
  }
  throw RestError(404, "CommandNotFound", "There is no command " + command.substr(0, 80) + ".");
}

Interpreter::State ExecutionContexts::state(const http::Principal& caller, const std::string& cluster, const std::string& context, std::string* why) const {
  return require(caller, cluster, context)->interpreter->state(why);
}

void ExecutionContexts::destroy(const http::Principal& caller, const std::string& cluster, const std::string& context) {
  auto c = require(caller, cluster, context);
  {
    std::lock_guard lock(mu_);
    if (contexts_.erase(context) == 0) throw no_context(context);   // another call was first
  }
  end(*c);
}

void ExecutionContexts::end(Context& c) {
  c.interpreter->stop();
  std::string token;
  {
    std::lock_guard lock(c.mu);
    token = std::exchange(c.token_id, "");
  }
  if (!token.empty()) hooks_.disconnect(token);
  redactor_.forget("context/" + c.id);
  remove_folder(environments_.home(c.cluster) + "/contexts/" + c.id);
}

std::string ExecutionContexts::execute(const http::Principal& caller, const std::string& cluster, const std::string& context, const std::string& language, std::string code) {
  auto c = require(caller, cluster, context);
  std::string why;
  if (c->interpreter->state(&why) == Interpreter::State::kEnded) throw no_context(context);
  std::shared_ptr<Command> command;
  std::string id = random_hex(16);
  {
    std::lock_guard lock(c->mu);
    size_t unfinished = 0, finished = 0, bytes = 0;
    for (const auto& [_, other] : c->commands) {
      auto kept = other->kept();
      if (kept) ++finished, bytes += *kept;
      else ++unfinished;
    }
    if (unfinished >= kMaxUnfinished) throw RestError(429, "TooManyCommands", "Too many commands of this context wait.");
    for (auto it = c->commands.begin(); (finished >= kMaxFinished || bytes > kMaxKept) && it != c->commands.end();) {
      auto kept = it->second->kept();
      if (!kept) {
        ++it;
        continue;
      }
      bytes -= *kept;
      --finished;
      it = c->commands.erase(it);
    }
    command = std::make_shared<Command>(supervisor_, redactor_, *c);   // from here on it uses the cluster, to its end
    c->commands.emplace_back(id, command);
  }
  c->interpreter->submit(id, language.empty() ? c->language : language, std::move(code), command);
  return id;
}

CommandState ExecutionContexts::command(const http::Principal& caller, const std::string& cluster, const std::string& context, const std::string& command) const {
  return require_command(*require(caller, cluster, context), command)->state();
}

CommandOutput ExecutionContexts::output(const http::Principal& caller, const std::string& cluster, const std::string& context, const std::string& command,
                                        size_t from) const {
  return require_command(*require(caller, cluster, context), command)->output(from);
}

void ExecutionContexts::cancel(const http::Principal& caller, const std::string& cluster, const std::string& context, const std::string& command) {
  auto c = require(caller, cluster, context);
  auto found = require_command(*c, command);
  found->cancelling();
  c->interpreter->cancel(command);
}

void ExecutionContexts::ended(const std::string& cluster) {
  std::vector<std::shared_ptr<Context>> gone;
  {
    std::lock_guard lock(mu_);
    for (auto it = contexts_.begin(); it != contexts_.end();) {
      if (!cluster.empty() && it->second->cluster != cluster) {
        ++it;
        continue;
      }
      gone.push_back(it->second);
      it = contexts_.erase(it);
    }
  }
  for (auto& c : gone) end(*c);
}

size_t ExecutionContexts::count() const {
  std::lock_guard lock(mu_);
  return contexts_.size();
}

void ExecutionContexts::stop() { ended(""); }

}  // namespace tarn::clusters
