#include "sql/extension.h"

#include <google/protobuf/io/coded_stream.h>

#include "sql/pch.h"

namespace tarn::sql {
namespace {

// The parser bounds nesting (ParseOptions::max_depth), and each extension is read on its own.
constexpr int kMaxMessageDepth = 100000;

template <class T>
bool read(const google::protobuf::Any& any, T* out) {
  if (!any.Is<T>()) return false;
  const std::string& bytes = any.value();
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
  in.SetRecursionLimit(kMaxMessageDepth);
  return out->ParseFromCodedStream(&in);
}

}  // namespace

bool unpack(const spark::connect::Relation& relation, Rel* out) { return relation.has_extension() && read(relation.extension(), out); }
bool unpack(const spark::connect::Expression& expression, Expr* out) { return expression.has_extension() && read(expression.extension(), out); }
bool unpack(const spark::connect::Command& command, Statement* out) { return command.has_extension() && read(command.extension(), out); }

}  // namespace tarn::sql
