#include "engine/commands/references.h"

#include <google/protobuf/message.h>

#include "base/spark_error.h"
#include "catalog/catalog.h"
#include "spark/connect/expressions.pb.h"
#include "spark/connect/relations.pb.h"
#include "sql/extension.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

namespace {

namespace pb = google::protobuf;
using catalog::lower;

struct Walker {
  References out;
  std::set<std::string> ctes;

  void visit(const pb::Message& message) {
    if (auto* relation = dynamic_cast<const spark::connect::Relation*>(&message)) {
      if (sql::Rel inner; sql::unpack(*relation, &inner)) return visit(inner);
    } else if (auto* expression = dynamic_cast<const spark::connect::Expression*>(&message)) {
      if (sql::Expr inner; sql::unpack(*expression, &inner)) return visit(inner);
    }
    if (auto* read = dynamic_cast<const spark::connect::Read::NamedTable*>(&message)) {
      add_table(sql::parse_multipart_identifier(read->unparsed_identifier()));
    } else if (auto* f = dynamic_cast<const spark::connect::Expression::UnresolvedFunction*>(&message)) {
      out.functions.insert(lower(f->function_name()));
    } else if (auto* c = dynamic_cast<const spark::connect::CallFunction*>(&message)) {
      out.functions.insert(lower(c->function_name()));
    } else if (auto* t = dynamic_cast<const spark::connect::UnresolvedTableValuedFunction*>(&message)) {
      out.functions.insert(lower(t->function_name()));
    } else if (auto* a = dynamic_cast<const spark::connect::Expression::UnresolvedAttribute*>(&message)) {
      try {
        out.columns.insert(sql::parse_attribute_name(a->unparsed_identifier()));
      } catch (const SparkError&) {
      }
    } else if (auto* call = dynamic_cast<const sql::FunctionCall*>(&message)) {
      if (call->name().parts_size() == 1) out.functions.insert(lower(call->name().parts(0)));
    } else if (auto* with = dynamic_cast<const sql::With*>(&message)) {
      for (auto& cte : with->ctes()) ctes.insert(lower(cte.name()));
    } else if (auto* named = dynamic_cast<const sql::IdentifierRelation*>(&message)) {
      if (named->name().parts_size() > 0) add_table({named->name().parts().begin(), named->name().parts().end()});
    }
    std::vector<const pb::FieldDescriptor*> fields;
    message.GetReflection()->ListFields(message, &fields);
    for (auto* field : fields) {
      if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (!field->is_repeated()) {
        visit(message.GetReflection()->GetMessage(message, field));
        continue;
      }
      int n = message.GetReflection()->FieldSize(message, field);
      for (int i = 0; i < n; ++i) visit(message.GetReflection()->GetRepeatedMessage(message, field, i));
    }
  }

  void add_table(std::vector<std::string> parts) {
    if (parts.size() == 1 && ctes.count(lower(parts[0]))) return;
    out.tables.insert(std::move(parts));
  }
};

}  // namespace

References references_of(const google::protobuf::Message& tree) {
  Walker walker;
  walker.visit(tree);
  return std::move(walker.out);
}

}  // namespace tarn::engine::commands
