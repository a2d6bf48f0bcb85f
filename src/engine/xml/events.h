#pragma once
// An XML document as a stream of events, as StAX gives them to Spark: not aware of namespaces, comments and processing instructions
// left out, neighbouring text in one piece, no DTD, no external entity, nothing fetched. Read as far as it is asked for.
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tarn::engine::xml {

// The document is not well-formed here. Thrown again by every later call.
struct Malformed {
  std::string why;
  bool at_end = false;   // it only stops too early
};

struct Event {
  enum class Kind : unsigned char { kStart, kEnd, kText, kEndDocument } kind = Kind::kEndDocument;
  std::string text;                                              // qualified name, or characters
  std::vector<std::pair<std::string, std::string>> attributes;   // of kStart, namespace declarations too
  bool is_space() const;                                         // characters that are white space only
};

// Not thread-safe.
class Events {
 public:
  // The text is UTF-8 whatever its declaration says; it must outlive this.
  explicit Events(std::string_view utf8);
  // Bytes from a source, up to n at a time, 0 at the end. charset: "" = as the document's mark or declaration says.
  Events(std::function<size_t(char*, size_t)> source, const std::string& charset);
  ~Events();
  Events(const Events&) = delete;

  const Event& peek();
  Event next();

 private:
  void fill();
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

// Removes what Java's String.trim removes: everything up to U+0020 at both ends.
std::string_view trim(std::string_view text);

// Silences libxml2, refuses external entities. Called by whoever uses libxml2 otherwise.
void prepare_library();

}  // namespace tarn::engine::xml
