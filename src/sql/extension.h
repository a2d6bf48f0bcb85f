#pragma once
// Reading the tarn.sql envelopes that travel in `extension` fields.
//
// Protobuf refuses messages nested more than 100 deep, which ordinary queries are: a DataFrame of forty operations, a view over a
// view. Linking this file raises that limit for the whole process (Any::UnpackTo, gRPC) to kMaxMessageDepth; whoever walks a tree
// still bounds his own recursion.
namespace google::protobuf {
class Any;
}
namespace spark::connect {
class Command;
class Expression;
class Relation;
}  // namespace spark::connect

namespace tarn::sql {

constexpr int kMaxMessageDepth = 10000;

class Expr;
class Rel;
class Statement;

// False if the node has no extension of ours (foreign extensions are left to whoever knows them).
bool unpack(const spark::connect::Relation& relation, Rel* out);
bool unpack(const spark::connect::Expression& expression, Expr* out);
bool unpack(const spark::connect::Command& command, Statement* out);

}  // namespace tarn::sql
