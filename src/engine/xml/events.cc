#include "engine/xml/events.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/xmlerror.h>

#include <cstring>
#include <deque>
#include <mutex>
#include <optional>

namespace tarn::engine::xml {

namespace {

constexpr int kMaxDepth = 1000;   // Woodstox's limit, and what recursion over elements may cost
constexpr size_t kPiece = 32768;  // bytes that are parsed at once

std::string text_of(const xmlChar* s) { return s ? std::string(reinterpret_cast<const char*>(s)) : std::string(); }

void silent(void*, const char*, ...) {}

xmlParserInputPtr no_entity(const char*, const char*, xmlParserCtxtPtr) { return nullptr; }

}  // namespace

void prepare_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    xmlInitParser();
    xmlSetExternalEntityLoader(no_entity);
  });
}

bool Event::is_space() const { return text.find_first_not_of(" \t\r\n") == std::string::npos; }

std::string_view trim(std::string_view t) {
  while (!t.empty() && static_cast<unsigned char>(t.front()) <= ' ') t.remove_prefix(1);
  while (!t.empty() && static_cast<unsigned char>(t.back()) <= ' ') t.remove_suffix(1);
  return t;
}

// libxml2's push parser with the callbacks of SAX 1: those know no namespaces. What comes before a mistake has been delivered.
struct Events::Parser {
  xmlSAXHandler handler{};
  xmlParserCtxtPtr context = nullptr;
  std::function<size_t(char*, size_t)> source;
  std::string buffer;
  std::deque<Event> ready;
  bool text_open = false;               // the last ready event is text that may go on
  bool done = false;
  int depth = 0;
  std::optional<Malformed> malformed;

  ~Parser() {
    if (!context) return;
    if (context->myDoc) xmlFreeDoc(context->myDoc);
    context->myDoc = nullptr;
    xmlFreeParserCtxt(context);
  }

  static Parser& self(void* p) { return *static_cast<Parser*>(p); }

  void start(const std::string& charset, bool ignore_declaration) {
    prepare_library();
    handler.startElement = [](void* p, const xmlChar* name, const xmlChar** attributes) { self(p).start_element(name, attributes); };
    handler.endElement = [](void* p, const xmlChar* name) { self(p).end_element(name); };
    handler.characters = [](void* p, const xmlChar* text, int n) { self(p).characters(text, n); };
    handler.cdataBlock = handler.ignorableWhitespace = handler.characters;
    handler.comment = [](void* p, const xmlChar*) { self(p).text_open = false; };
    handler.processingInstruction = [](void* p, const xmlChar*, const xmlChar*) { self(p).text_open = false; };
    handler.reference = [](void* p, const xmlChar*) { self(p).text_open = false; };
    handler.getEntity = [](void*, const xmlChar* name) -> xmlEntityPtr { return xmlGetPredefinedEntity(name); };
    handler.error = handler.warning = handler.fatalError = silent;
    handler.initialized = 1;   // SAX 1
    // The first bytes tell the encoding.
    buffer.resize(kPiece);
    size_t n = source(buffer.data(), buffer.size());
    context = xmlCreatePushParserCtxt(&handler, this, buffer.data(), static_cast<int>(std::min<size_t>(n, 4)), nullptr);
    if (!context) {
      malformed = Malformed{"the parser cannot be made"};
      return;
    }
    xmlCtxtUseOptions(context, XML_PARSE_NONET | XML_PARSE_HUGE | (ignore_declaration ? XML_PARSE_IGNORE_ENC : 0));
    if (!charset.empty())
      if (auto* encoding = xmlFindCharEncodingHandler(charset.c_str())) xmlSwitchToEncoding(context, encoding);
    if (n == 0) {
      finish();
      return;
    }
    if (n > 4) parse(buffer.data() + 4, n - 4);
  }

  void parse(const char* bytes, size_t n) {
    if (malformed) return;
    if (xmlParseChunk(context, bytes, static_cast<int>(n), 0) != 0 && !context->wellFormed) fail(false);
  }

  void finish() {
    done = true;
    if (!malformed && (xmlParseChunk(context, nullptr, 0, 1) != 0 || !context->wellFormed)) fail(true);
    text_open = false;
  }

  void fail(bool at_end) {
    const xmlError* e = xmlCtxtGetLastError(context);
    if (!malformed) malformed = Malformed{e && e->message ? e->message : "the document is not well-formed", at_end};
    text_open = false;
  }

  void start_element(const xmlChar* name, const xmlChar** attributes) {
    if (malformed) return;
    text_open = false;
    if (++depth > kMaxDepth) {
      malformed = Malformed{"elements are nested too deeply"};
      xmlStopParser(context);
      return;
    }
    Event e;
    e.kind = Event::Kind::kStart;
    e.text = text_of(name);
    for (; attributes && attributes[0]; attributes += 2) e.attributes.emplace_back(text_of(attributes[0]), text_of(attributes[1]));
    ready.push_back(std::move(e));
  }
  void end_element(const xmlChar* name) {
    if (malformed) return;
    text_open = false;
    --depth;
    Event e;
    e.kind = Event::Kind::kEnd;
    e.text = text_of(name);
    ready.push_back(std::move(e));
  }
  void characters(const xmlChar* text, int n) {
    if (malformed) return;
    if (!text_open) {
      Event e;
      e.kind = Event::Kind::kText;
      ready.push_back(std::move(e));
      text_open = true;
    }
    ready.back().text.append(reinterpret_cast<const char*>(text), static_cast<size_t>(n));
  }
};

Events::Events(std::string_view utf8) : parser_(std::make_unique<Parser>()) {
  parser_->source = [rest = utf8](char* out, size_t n) mutable {
    n = std::min(n, rest.size());
    std::memcpy(out, rest.data(), n);
    rest.remove_prefix(n);
    return n;
  };
  parser_->start("UTF-8", true);
}

Events::Events(std::function<size_t(char*, size_t)> source, const std::string& charset) : parser_(std::make_unique<Parser>()) {
  parser_->source = std::move(source);
  parser_->start(charset, !charset.empty());
}

Events::~Events() = default;

// At least one event that is complete, or the end, or the mistake.
void Events::fill() {
  Parser& p = *parser_;
  while (!p.done && !p.malformed && (p.ready.empty() || (p.ready.size() == 1 && p.text_open))) {
    size_t n = p.source(p.buffer.data(), p.buffer.size());
    if (n == 0) p.finish();
    else p.parse(p.buffer.data(), n);
  }
}

const Event& Events::peek() {
  Parser& p = *parser_;
  fill();
  if (p.ready.empty()) {
    if (p.malformed) throw *p.malformed;
    p.ready.emplace_back();  // the end, for ever
  }
  return p.ready.front();
}

Event Events::next() {
  Event e = peek();
  if (e.kind != Event::Kind::kEndDocument) parser_->ready.pop_front();
  return e;
}

}  // namespace tarn::engine::xml
