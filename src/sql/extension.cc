#include "sql/extension.h"

#include <google/protobuf/io/coded_stream.h>

#include "sql/pch.h"

namespace tarn::sql {
namespace {

// CodedInputStream's default limit is a private static without a setter, and gRPC and Any::UnpackTo know no other. An explicit
// instantiation may name a private member, so its address can be handed out here.
struct DepthLimit {
  using Pointer = int*;
  friend Pointer address_of(DepthLimit);
};
template <class Tag, typename Tag::Pointer member>
struct Expose {
  friend typename Tag::Pointer address_of(Tag) { return member; }
};
template struct Expose<DepthLimit, &google::protobuf::io::CodedInputStream::default_recursion_limit_>;

const bool kRaised = [] {
  *address_of(DepthLimit{}) = kMaxMessageDepth;
  return true;
}();

}  // namespace

bool unpack(const spark::connect::Relation& relation, Rel* out) { return kRaised && relation.extension().UnpackTo(out); }
bool unpack(const spark::connect::Expression& expression, Expr* out) { return expression.extension().UnpackTo(out); }
bool unpack(const spark::connect::Command& command, Statement* out) { return command.extension().UnpackTo(out); }

}  // namespace tarn::sql
