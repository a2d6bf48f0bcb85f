#pragma once
// Reading the tarn.sql envelopes that travel in `extension` fields. Always through these: Any::UnpackTo refuses what is nested more
// than 100 messages deep, which ordinary queries are.
namespace google::protobuf {
class Any;
}
namespace spark::connect {
class Command;
class Expression;
class Relation;
}  // namespace spark::connect

namespace tarn::sql {

class Expr;
class Rel;
class Statement;

// False if the node has no extension of ours (foreign extensions are left to whoever knows them).
bool unpack(const spark::connect::Relation& relation, Rel* out);
bool unpack(const spark::connect::Expression& expression, Expr* out);
bool unpack(const spark::connect::Command& command, Statement* out);

}  // namespace tarn::sql
