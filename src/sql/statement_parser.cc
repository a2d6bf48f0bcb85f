// One statement: a query, or a command found by its first word in the table below. The next statement is one entry there.
#include "sql/parser_impl.h"

namespace tarn::sql {

namespace sc = spark::connect;

class StatementTable {
 public:
  struct Entry {
    TokenType token;   // kIdentifier: not a word of Spark's grammar, see `word`
    const char* word;
    Parser::StatementFn parse;
  };
  static const Entry* find(const Parser& p) {
    static constexpr Entry kEntries[] = {
        {kwADD, nullptr, &Parser::add_or_list},
        {kwALTER, nullptr, &Parser::alter},
        {kwANALYZE, nullptr, &Parser::analyze},
        {kwCACHE, nullptr, &Parser::cache},
        {kwCALL, nullptr, &Parser::call},
        {kwCLEAR, nullptr, &Parser::clear},
        {kwCLOSE, nullptr, &Parser::cursor},
        {kwCOMMENT, nullptr, &Parser::comment_on},
        {kwCOMMIT, nullptr, &Parser::unsupported},
        {kwCREATE, nullptr, &Parser::create},
        {kwDECLARE, nullptr, &Parser::declare},
        {kwDESC, nullptr, &Parser::describe},
        {kwDESCRIBE, nullptr, &Parser::describe},
        {kwDFS, nullptr, &Parser::unsupported},
        {kwDROP, nullptr, &Parser::drop},
        {kwEXECUTE, nullptr, &Parser::execute_immediate},
        {kwEXPLAIN, nullptr, &Parser::explain},
        {kwEXPORT, nullptr, &Parser::unsupported},
        {kwFETCH, nullptr, &Parser::cursor},
        {kwGRANT, nullptr, &Parser::unsupported},
        {kwIMPORT, nullptr, &Parser::unsupported},
        {kwLIST, nullptr, &Parser::add_or_list},
        {kwLOAD, nullptr, &Parser::load},
        {kwLOCK, nullptr, &Parser::unsupported},
        {kwMSCK, nullptr, &Parser::repair},
        {kwOPEN, nullptr, &Parser::cursor},
        {kwREFRESH, nullptr, &Parser::refresh},
        {kwREPAIR, nullptr, &Parser::repair},
        {kwREPLACE, nullptr, &Parser::create},
        {kwRESET, nullptr, &Parser::reset},
        {kwREVOKE, nullptr, &Parser::unsupported},
        {kwROLLBACK, nullptr, &Parser::unsupported},
        {kwSET, nullptr, &Parser::set},
        {kwSHOW, nullptr, &Parser::show},
        {kwSTART, nullptr, &Parser::unsupported},
        {kwTRUNCATE, nullptr, &Parser::truncate},
        {kwUNCACHE, nullptr, &Parser::uncache},
        {kwUNLOCK, nullptr, &Parser::unsupported},
        {kwUSE, nullptr, &Parser::use},
        {kIdentifier, "CONVERT", &Parser::convert},
        {kIdentifier, "GENERATE", &Parser::generate_manifest},
        {kIdentifier, "OPTIMIZE", &Parser::optimize},
        {kIdentifier, "REORG", &Parser::reorg},
        {kIdentifier, "RESTORE", &Parser::restore},
        {kIdentifier, "VACUUM", &Parser::vacuum},
    };
    for (const auto& e : kEntries) {
      if (e.token == kIdentifier ? p.at_word(e.word) : p.at(e.token)) return &e;
    }
    return nullptr;
  }
};

sc::Plan Parser::single_statement() {
  sc::Plan plan;
  if (at(kwBEGIN)) {
    if (!options_.scripting) fail("UNSUPPORTED_FEATURE.SQL_SCRIPTING", {{"sqlScriptingEnabled", "\"spark.sql.scripting.enabled\""}}, 0, tokens_.size() - 1);
    Statement s;
    script(&s);
    finish_statement(&s, 0, 0, &plan);
    accept(kSemicolon);
    expect_end();
    return plan;
  }
  statement(&plan);
  while (accept(kSemicolon)) {
  }
  if (!at(kEof)) unexpected_end_token();
  if (!raw_text_statement_) check_comment_closed();
  throw_deferred();
  return plan;
}

void Parser::plan_of_query(sc::Plan* out, RelPtr r, size_t) { out->set_allocated_root(r.release()); }

// Subqueries met since `mark` belong to the statement's own expressions.
void Parser::finish_statement(Statement* s, size_t start, size_t mark, sc::Plan* out) {
  for (size_t i = mark; i < subqueries_.size(); ++i) *s->add_subqueries() = std::move(*subqueries_[i]);
  subqueries_.resize(mark);
  set_origin(s->mutable_origin(), start);
  if (statement_depth_ <= 1 && !in_script_) s->mutable_origin()->mutable_jvm_origin()->set_sql_text(text_);
  out->mutable_command()->mutable_extension()->PackFrom(*s);
}

void Parser::statement(sc::Plan* out) {
  DepthGuard guard(this);
  size_t start = pos_, mark = subqueries_.size();
  ++statement_depth_;
  struct Leave {
    int* depth;
    ~Leave() { --*depth; }
  } leave{&statement_depth_};
  if (at(kLeftParen) || at_dml() || at_query() || at_any(kwSELECT, kwWITH, kwVALUES, kwTABLE, kwFROM)) return dml_or_query(out);
  const StatementTable::Entry* entry = StatementTable::find(*this);
  if (!entry) {
    if (at_any(kwMAP, kwREDUCE)) return dml_or_query(out);
    syntax_error();
  }
  Statement s;
  (this->*entry->parse)(&s);
  finish_statement(&s, start, mark, out);
}

bool Parser::at_dml(size_t k) const {
  switch (type(k)) {
    case kwINSERT: return true;
    case kwDELETE: return at(kwFROM, k + 1);
    case kwUPDATE: return is_identifier(k + 1);
    case kwMERGE: return at(kwINTO, k + 1) || at(kwWITH, k + 1);
    default: return false;
  }
}

// [WITH ctes] INSERT | UPDATE | DELETE | MERGE | FROM t INSERT ..., or a query.
void Parser::dml_or_query(sc::Plan* out) {
  size_t start = pos_, mark = subqueries_.size();
  With with;
  bool has_ctes = at(kwWITH);
  if (has_ctes) ctes(&with);
  if (at_dml()) {
    Statement s;
    dml(&s, has_ctes ? &with : nullptr);
    return finish_statement(&s, start, mark, out);
  }
  if (at(kwFROM) && from_has_insert()) {
    Statement s;
    multi_insert(&s, has_ctes ? &with : nullptr);
    return finish_statement(&s, start, mark, out);
  }
  auto r = query_body();
  if (has_ctes) r = finish(with_ctes(std::move(with), std::move(r)), start);
  plan_of_query(out, std::move(r), start);
}

// FROM ... INSERT: is there an INSERT outside parentheses before the statement ends?
bool Parser::from_has_insert() {
  for (size_t i = pos_; i < tokens_.size(); ++i) {
    TokenType t = tokens_[i].type;
    if (t == kLeftParen) {
      i = matching_paren(i);
    } else if (t == kwSELECT || t == kwMAP || t == kwREDUCE || t == kSemicolon || t == kEof || t == kOperatorPipe) {
      return false;
    } else if (t == kwINSERT && i + 1 < tokens_.size() && (tokens_[i + 1].type == kwINTO || tokens_[i + 1].type == kwOVERWRITE || tokens_[i + 1].type == kwWITH)) {
      return true;
    }
  }
  return false;
}

}  // namespace tarn::sql
