// Source: the opcodes of CPython's pickletools.
#include "python/unpickle.h"

#include <bit>

namespace tarn::python {

namespace {

class Machine {
 public:
  Machine(std::string_view in, std::deque<Pickled>& nodes) : in_(in), nodes_(nodes) {}

  const Pickled* run() {
    for (;;) {
      switch (static_cast<unsigned char>(byte())) {
        case 0x80: byte(); break;                                        // PROTO
        case 0x95: number(8); break;                                     // FRAME
        case '.': return pop();                                          // STOP
        case '0': pop(); break;
        case '1': pop_mark(); break;
        case '2': push(top()); break;
        case '(': marks_.push_back(stack_.size()); break;
        case 'N': make(Pickled::Kind::kNone); break;
        case 0x88: make(Pickled::Kind::kBoolean).boolean = true; break;
        case 0x89: make(Pickled::Kind::kBoolean); break;
        case 'J': make(Pickled::Kind::kInteger).integer = static_cast<int32_t>(number(4)); break;
        case 'K': make(Pickled::Kind::kInteger).integer = static_cast<int64_t>(number(1)); break;
        case 'M': make(Pickled::Kind::kInteger).integer = static_cast<int64_t>(number(2)); break;
        case 0x8a: integer(number(1)); break;                            // LONG1
        case 0x8b: integer(number(4)); break;                            // LONG4
        case 'G': {
          auto bytes = take(8);
          uint64_t bits = 0;
          for (unsigned char c : bytes) bits = bits << 8 | c;
          make(Pickled::Kind::kReal).real = std::bit_cast<double>(bits);
          break;
        }
        case 0x8c: make(Pickled::Kind::kText).text = take(number(1)); break;
        case 'X': make(Pickled::Kind::kText).text = take(number(4)); break;
        case 0x8d: make(Pickled::Kind::kText).text = take(number(8)); break;
        case 'C': make(Pickled::Kind::kBinary).text = take(number(1)); break;
        case 'B': make(Pickled::Kind::kBinary).text = take(number(4)); break;
        case 0x8e:
        case 0x96: make(Pickled::Kind::kBinary).text = take(number(8)); break;
        case ')':
        case ']':
        case 0x8f: make(Pickled::Kind::kList); break;                    // EMPTY_TUPLE, EMPTY_LIST, EMPTY_SET
        case '}': make(Pickled::Kind::kDict); break;
        case 0x85: tuple(1); break;
        case 0x86: tuple(2); break;
        case 0x87: tuple(3); break;
        case 't':
        case 'l':
        case 0x91: list(pop_mark()); break;                              // TUPLE, LIST, FROZENSET
        case 'd': {
          auto items = pop_mark();
          make(Pickled::Kind::kDict).items = std::move(items);
          break;
        }
        case 'a': {
          const auto* item = pop();
          top()->items.push_back(item);
          break;
        }
        case 's': {
          const auto* value = pop();
          const auto* key = pop();
          top()->items.insert(top()->items.end(), {key, value});
          break;
        }
        case 'e':
        case 'u':
        case 0x90: {                                                     // APPENDS, SETITEMS, ADDITEMS
          auto items = pop_mark();
          top()->items.insert(top()->items.end(), items.begin(), items.end());
          break;
        }
        case 'h': get(number(1)); break;
        case 'j': get(number(4)); break;
        case 'q': put(number(1)); break;
        case 'r': put(number(4)); break;
        case 0x94: memo_.push_back(top()); break;                        // MEMOIZE
        case 'c': {
          std::string module = line();
          make(Pickled::Kind::kObject).text = module + "." + line();
          break;
        }
        case 0x93: {                                                     // STACK_GLOBAL
          std::string name = pop()->text, module = pop()->text;
          make(Pickled::Kind::kObject).text = module + "." + name;
          break;
        }
        case 'R':
        case 0x81: construct(); break;                                   // REDUCE, NEWOBJ
        case 'b': pop(); break;                                          // BUILD: what an object of a class is made of says nothing here
        default: throw UnpickleError("an opcode that no plain value has");
      }
    }
  }

 private:
  char byte() { return take(1)[0]; }
  std::string_view take(uint64_t size) {
    if (size > in_.size()) throw UnpickleError("the pickle ends early");
    auto out = in_.substr(0, size);
    in_.remove_prefix(size);
    return out;
  }
  uint64_t number(size_t size) {
    auto bytes = take(size);
    uint64_t v = 0;
    for (size_t i = 0; i < size; ++i) v |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    return v;
  }
  std::string line() {
    auto end = in_.find('\n');
    if (end == std::string_view::npos) throw UnpickleError("the pickle ends early");
    std::string out(in_.substr(0, end));
    in_.remove_prefix(end + 1);
    return out;
  }
  void integer(uint64_t size) {
    auto bytes = take(size);
    if (size > 8) {
      make(Pickled::Kind::kBigInteger);
      return;
    }
    uint64_t v = size > 0 && static_cast<unsigned char>(bytes.back()) >= 0x80 ? ~uint64_t{0} : 0;
    for (size_t i = size; i-- > 0;) v = v << 8 | static_cast<unsigned char>(bytes[i]);
    make(Pickled::Kind::kInteger).integer = static_cast<int64_t>(v);
  }
  Pickled& make(Pickled::Kind kind) {
    nodes_.emplace_back().kind = kind;
    stack_.push_back(&nodes_.back());
    return nodes_.back();
  }
  void push(Pickled* p) { stack_.push_back(p); }
  Pickled* top() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) throw UnpickleError("nothing is on the pickle's stack");
    return stack_.back();
  }
  Pickled* pop() {
    auto* p = top();
    stack_.pop_back();
    return p;
  }
  std::vector<const Pickled*> pop_mark() {
    if (marks_.empty()) throw UnpickleError("no mark is on the pickle's stack");
    std::vector<const Pickled*> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  void list(std::vector<const Pickled*> items) { make(Pickled::Kind::kList).items = std::move(items); }
  void tuple(size_t size) {
    std::vector<const Pickled*> items(size);
    while (size > 0) items[--size] = pop();
    list(std::move(items));
  }
  void get(uint64_t i) {
    if (i >= memo_.size() || !memo_[i]) throw UnpickleError("the pickle takes what it has not kept");
    push(memo_[i]);
  }
  void put(uint64_t i) {
    constexpr uint64_t kMost = 1 << 24;
    if (i > kMost) throw UnpickleError("the pickle keeps too much");
    if (i >= memo_.size()) memo_.resize(i + 1);
    memo_[i] = top();
  }
  void construct() {
    const auto* arguments = pop();
    const auto* made_of = pop();
    if (made_of->text == "decimal.Decimal" && arguments->items.size() == 1 && arguments->items[0]->kind == Pickled::Kind::kText) {
      make(Pickled::Kind::kDecimal).text = arguments->items[0]->text;
      return;
    }
    if (!arguments->items.empty()) throw UnpickleError("expected zero arguments for construction of ClassDict (for " + made_of->text + ")");
    make(Pickled::Kind::kObject).text = made_of->text;
  }

  std::string_view in_;
  std::deque<Pickled>& nodes_;
  std::vector<Pickled*> stack_, memo_;
  std::vector<size_t> marks_;           // where on the stack they lie
};

}  // namespace

Unpickled::Unpickled(std::string_view bytes) { value_ = Machine(bytes, nodes_).run(); }

}  // namespace tarn::python
