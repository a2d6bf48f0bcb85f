#include "identity/scim.h"

#include <strings.h>

#include <algorithm>
#include <cstring>

#include "base/encoding.h"
#include "http/rest_error.h"

namespace tarn::identity {
namespace {

using Json = nlohmann::json;

http::RestError bad_filter(const std::string& why) { return http::RestError(400, "INVALID_PARAMETER_VALUE", "Invalid filter: " + why); }

bool same(std::string_view a, std::string_view b) { return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0; }

// The member of an object whose name is this without regard to case.
const Json* member(const Json& object, std::string_view name) {
  if (!object.is_object()) return nullptr;
  for (auto it = object.begin(); it != object.end(); ++it) {
    if (same(it.key(), name)) return &it.value();
  }
  return nullptr;
}

std::string key_of(const Json& object, std::string_view name) {
  for (auto it = object.begin(); it != object.end(); ++it) {
    if (same(it.key(), name)) return it.key();
  }
  return std::string(name);
}

// Calls f with every value that a path names; arrays count as all their members.
void each_value(const Json& at, std::string_view path, const std::function<void(const Json&)>& f) {
  if (at.is_array()) {
    for (const auto& x : at) each_value(x, path, f);
    return;
  }
  if (path.empty()) {
    if (at.is_object()) {  // "emails co x" means their value
      if (const Json* v = member(at, "value")) f(*v);
    } else {
      f(at);
    }
    return;
  }
  size_t dot = path.find('.');
  if (const Json* v = member(at, path.substr(0, dot))) each_value(*v, dot == std::string_view::npos ? "" : path.substr(dot + 1), f);
}

bool compare(const std::string& op, const Json& left, const Json& right) {
  if (left.is_string() && right.is_string()) {
    std::string a = lower_ascii(left.get<std::string>()), b = lower_ascii(right.get<std::string>());
    if (op == "eq") return a == b;
    if (op == "co") return a.find(b) != std::string::npos;
    if (op == "sw") return a.starts_with(b);
    if (op == "ew") return a.ends_with(b);
    if (op == "gt") return a > b;
    if (op == "ge") return a >= b;
    if (op == "lt") return a < b;
    if (op == "le") return a <= b;
    return false;
  }
  if (op == "eq") return left == right || (left.is_boolean() && right.is_string() && left.dump() == lower_ascii(right.get<std::string>()));
  if (!left.is_number() || !right.is_number()) return false;
  if (op == "gt") return left > right;
  if (op == "ge") return left >= right;
  if (op == "lt") return left < right;
  return op == "le" && left <= right;
}

class FilterParser {
 public:
  explicit FilterParser(std::string_view text) : text_(text) {}
  ScimFilter whole() {
    ScimFilter f = any_of();
    skip();
    if (at_ != text_.size()) throw bad_filter("unexpected text");
    return f;
  }

 private:
  void skip() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  std::string word() {
    skip();
    size_t start = at_;
    while (at_ < text_.size() && !std::strchr(" ()[]\"", text_[at_])) ++at_;
    return std::string(text_.substr(start, at_ - start));
  }
  bool take_word(std::string_view wanted) {
    size_t before = at_;
    if (same(word(), wanted)) return true;
    at_ = before;
    return false;
  }
  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  ScimFilter any_of() {
    if (++depth_ > 50) throw bad_filter("nested too deeply");
    ScimFilter left = all_of();
    while (take_word("or")) {
      ScimFilter right = all_of();
      left = [left, right](const Json& r) { return left(r) || right(r); };
    }
    --depth_;
    return left;
  }
  ScimFilter all_of() {
    ScimFilter left = term();
    while (take_word("and")) {
      ScimFilter right = term();
      left = [left, right](const Json& r) { return left(r) && right(r); };
    }
    return left;
  }
  ScimFilter group() {
    ScimFilter inner = any_of();
    if (!take(')')) throw bad_filter("a parenthesis is missing");
    return inner;
  }
  ScimFilter term() {
    if (take('(')) return group();
    std::string path = word();
    if (same(path, "not")) {
      if (!take('(')) throw bad_filter("expected ( after not");
      ScimFilter inner = group();
      return [inner](const Json& r) { return !inner(r); };
    }
    if (path.empty()) throw bad_filter("an attribute is missing");
    if (path.starts_with("urn:")) path = path.substr(path.rfind(':') + 1);
    if (take('[')) {
      ScimFilter inner = any_of();
      if (!take(']')) throw bad_filter("a bracket is missing");
      return [path, inner](const Json& r) {
        const Json* list = member(r, path);
        if (!list || !list->is_array()) return false;
        for (const auto& x : *list) {
          if (inner(x)) return true;
        }
        return false;
      };
    }
    std::string op = lower_ascii(word());
    if (op == "pr") {
      return [path](const Json& r) {
        bool there = false;
        each_value(r, path, [&](const Json& v) { there |= !v.is_null(); });
        return there;
      };
    }
    static const std::string kOps[] = {"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"};
    if (std::find(std::begin(kOps), std::end(kOps), op) == std::end(kOps)) throw bad_filter("unknown operator " + op);
    Json right = value();
    bool negated = op == "ne";
    if (negated) op = "eq";
    return [path, op, right, negated](const Json& r) {
      bool found = false;
      each_value(r, path, [&](const Json& v) { found |= compare(op, v, right); });
      return found != negated;
    };
  }
  Json value() {
    skip();
    if (at_ < text_.size() && text_[at_] == '"') {
      size_t end = at_ + 1;
      while (end < text_.size() && text_[end] != '"') end += text_[end] == '\\' ? 2 : 1;
      if (end >= text_.size()) throw bad_filter("a quote is missing");
      Json v = Json::parse(text_.substr(at_, end + 1 - at_), nullptr, false);
      if (v.is_discarded()) throw bad_filter("a text is broken");
      at_ = end + 1;
      return v;
    }
    std::string w = word();
    if (w.empty()) throw bad_filter("a value is missing");
    Json v = Json::parse(w, nullptr, false);
    if (v.is_discarded() || v.is_structured()) return w;  // clients forget the quotes
    return v;
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

bool same_member(const Json& a, const Json& b) {
  const Json* x = member(a, "value");
  const Json* y = member(b, "value");
  return x && y ? *x == *y : a == b;
}

// Adds to a multi-valued attribute what is not there yet.
void add_values(Json& list, const Json& value) {
  if (!list.is_array()) list = list.is_null() ? Json::array() : Json::array({list});
  for (const auto& v : value.is_array() ? value : Json::array({value})) {
    bool there = std::any_of(list.begin(), list.end(), [&](const Json& x) { return same_member(x, v); });
    if (!there) list.push_back(v);
  }
}

void set_value(Json& target, const std::string& op, const Json& value) {
  if (op == "add" && (target.is_array() || value.is_array())) add_values(target, value);
  else if (target.is_object() && value.is_object()) target.update(value);
  else target = value;
}

}  // namespace

ScimFilter parse_scim_filter(std::string_view text) { return FilterParser(text).whole(); }

void apply_scim_patch(Json& resource, const Json& operations) {
  if (!operations.is_array()) throw http::invalid_parameter("Operations is missing.");
  for (const auto& o : operations) {
    if (!o.is_object()) throw http::invalid_parameter("An operation must be an object.");
    const Json* op_field = member(o, "op");
    const Json* value = member(o, "value");
    const Json* path_field = member(o, "path");
    std::string op = op_field && op_field->is_string() ? lower_ascii(op_field->get<std::string>()) : "";
    if (op != "add" && op != "remove" && op != "replace") throw http::invalid_parameter("The op of an operation must be add, remove or replace.");
    std::string path = path_field && path_field->is_string() ? path_field->get<std::string>() : "";
    if (path.starts_with("urn:")) path = path.substr(path.rfind(':') + 1);
    // The stock SDK leaves out a value that is false: its way to deactivate somebody.
    static const Json kFalse = false;
    if (op == "replace" && !value && lower_ascii(path) == "active") value = &kFalse;
    if (op != "remove" && !value) throw http::invalid_parameter("The operation " + op + " needs a value.");
    if (path.empty()) {
      if (op == "remove") throw http::invalid_parameter("The operation remove needs a path.");
      if (!value->is_object()) throw http::invalid_parameter("Without a path the value must be an object.");
      for (auto it = value->begin(); it != value->end(); ++it) set_value(resource[key_of(resource, it.key())], op, it.value());
      continue;
    }
    size_t bracket = path.find('[');
    if (bracket != std::string::npos) {
      size_t close = path.rfind(']');
      if (close == std::string::npos || close < bracket) throw http::invalid_parameter("The path " + path + " is not valid.");
      ScimFilter filter = parse_scim_filter(std::string_view(path).substr(bracket + 1, close - bracket - 1));
      std::string sub = close + 2 < path.size() && path[close + 1] == '.' ? path.substr(close + 2) : "";
      Json& list = resource[key_of(resource, path.substr(0, bracket))];
      if (!list.is_array()) continue;
      Json kept = Json::array();
      for (auto& x : list) {
        if (filter(x)) {
          if (op == "remove" && sub.empty()) continue;
          if (op == "remove") x.erase(key_of(x, sub));
          else if (sub.empty()) set_value(x, op, *value);
          else x[key_of(x, sub)] = *value;
        }
        kept.push_back(x);
      }
      list = std::move(kept);
      continue;
    }
    size_t dot = path.find('.');
    Json& target = resource[key_of(resource, path.substr(0, dot))];
    if (dot != std::string::npos) {
      if (!target.is_object()) target = Json::object();
      std::string sub = key_of(target, path.substr(dot + 1));
      if (op == "remove") target.erase(sub);
      else target[sub] = *value;
    } else if (op == "remove" && value && target.is_array()) {  // {"op":"remove","path":"members","value":[{"value":id}]}
      Json gone = value->is_array() ? *value : Json::array({*value}), kept = Json::array();
      for (const auto& x : target) {
        if (std::none_of(gone.begin(), gone.end(), [&](const Json& g) { return same_member(x, g); })) kept.push_back(x);
      }
      target = std::move(kept);
    } else if (op == "remove") {
      target = nullptr;
    } else {
      set_value(target, op, *value);
    }
  }
}

}  // namespace tarn::identity
