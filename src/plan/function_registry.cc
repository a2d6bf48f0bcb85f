// The index over the families' tables, and how a call is resolved against an entry.
#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <unordered_map>

#include "plan/collation.h"
#include "plan/function_signature.h"
#include "plan/functions/families.h"
#include "plan/session_conf.h"

namespace tarn::plan {
namespace {

using Kind = TypeSpec::Kind;

std::string lower(std::string_view s) {
  std::string r(s);
  for (char& c : r) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return r;
}
std::string upper(std::string_view s) {
  std::string r(s);
  for (char& c : r) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return r;
}

struct Registry {
  std::unordered_map<std::string, const FunctionEntry*> by_name;
  std::unordered_map<const FunctionEntry*, Signature> signatures;
  std::vector<const FunctionEntry*> all;
  std::vector<std::string_view> names;

  Registry() {
    for (const FunctionTable& table : function_families()) {
      for (const FunctionEntry& e : table) {
        all.push_back(&e);
        if (!e.signature.empty()) signatures.emplace(&e, parse_signature(e.signature));
        std::string_view rest = e.names;
        while (!rest.empty()) {
          size_t comma = rest.find(',');
          std::string_view n = rest.substr(0, comma);
          if (!by_name.emplace(std::string(n), &e).second) throw std::logic_error("function registered twice: " + std::string(n));
          if (!(e.flags & kHidden)) names.push_back(n);
          rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
        }
      }
    }
    std::sort(names.begin(), names.end());
  }
};

const Registry& registry() {
  static const Registry r;
  return r;
}

struct Binding {
  std::vector<DataType> types;
  bool nullable = false;
  DataType type;
};
using Bindings = std::map<char, Binding>;

bool has_variable(const TypeSpec& s) {
  return s.kind == Kind::kVariable || std::any_of(s.parts.begin(), s.parts.end(), has_variable);
}

void match(const TypeSpec& s, const DataType& t, bool nullable, Bindings& env) {
  switch (s.kind) {
    case Kind::kVariable:
      env[s.variable].types.push_back(t);
      env[s.variable].nullable |= nullable;
      break;
    case Kind::kArray:
      if (t.id() == TypeId::kArray) match(s.parts[0], t.element(), t.contains_null(), env);
      break;
    case Kind::kMap:
      if (t.id() == TypeId::kMap) {
        match(s.parts[0], t.key(), false, env);
        match(s.parts[1], t.value(), t.contains_null(), env);
      }
      break;
    case Kind::kLambda: match(s.parts.back(), t, nullable, env); break;
    default: break;
  }
}

DataType instantiate(const TypeSpec& s, const Bindings& env, const std::vector<ExprPtr>& args) {
  switch (s.kind) {
    case Kind::kVariable: {
      auto it = env.find(s.variable);
      return it == env.end() ? DataType() : it->second.type;
    }
    case Kind::kArray: {
      auto v = s.parts[0].kind == Kind::kVariable ? env.find(s.parts[0].variable) : env.end();
      return DataType::array(instantiate(s.parts[0], env, args), s.nullable && (v == env.end() || v->second.nullable));
    }
    case Kind::kMap: {
      auto v = s.parts[1].kind == Kind::kVariable ? env.find(s.parts[1].variable) : env.end();
      return DataType::map(instantiate(s.parts[0], env, args), instantiate(s.parts[1], env, args),
                           s.nullable && (v == env.end() || v->second.nullable));
    }
    case Kind::kArgument: return args.at(static_cast<size_t>(s.argument - 1))->type;
    default: return default_concrete(s);
  }
}

ExprPtr default_literal(const Parameter& p) {
  const std::string& d = p.default_text;
  DataType t = default_concrete(p.type);
  if (d == "null") return make_null(t.id() == TypeId::kNull ? DataType(TypeId::kNull) : t);
  if (d == "true" || d == "false") return make_bool(d == "true");
  if (d.size() >= 2 && d[0] == '\'') return make_string(d.substr(1, d.size() - 2));
  int64_t v = std::stoll(d);
  return t.id() == TypeId::kLong ? make_long(v) : make_int(static_cast<int32_t>(v));
}

const Alternative& choose(const FunctionEntry& f, const Signature& s, size_t count, std::string_view called) {
  for (const Alternative& a : s.alternatives)
    if (a.accepts(count)) return a;
  std::vector<size_t> counts;
  for (const Alternative& a : s.alternatives) {
    if (a.variadic) wrong_number_of_arguments(called, "> " + std::to_string(a.minimum == 0 ? 0 : a.minimum - 1), count);
    counts.insert(counts.end(), a.counts.begin(), a.counts.end());
  }
  std::sort(counts.begin(), counts.end());
  counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
  std::string expected;
  if (counts.size() == 1) expected = std::to_string(counts[0]);
  else {
    expected = "[";
    for (size_t i = 0; i < counts.size(); ++i) expected += (i ? ", " : "") + std::to_string(counts[i]);
    expected += "]";
  }
  wrong_number_of_arguments(called, expected, count);
}

bool is_lambda(const ExprPtr& e) { return !e || e->kind == ExprKind::kLambda; }

// Implicit casts and type variables. Null arguments (lambdas not typed yet) are skipped.
Bindings coerce(const FunctionEntry& f, const Alternative& alt, std::vector<ExprPtr>& args, const CallContext& context) {
  const bool ansi = context.conf.ansi();
  const bool strict = f.flags & kStrict;
  for (size_t i = 0; i < args.size(); ++i) {
    if (!args[i]) continue;
    const TypeSpec& spec = alt.parameter(i)->type;
    if (spec.kind == Kind::kLambda) {
      if (args[i]->kind != ExprKind::kLambda)
        throw analysis_error("INVALID_LAMBDA_FUNCTION_CALL.PARAMETER_DOES_NOT_ACCEPT_LAMBDA_FUNCTION", {});
      continue;
    }
    if (args[i]->kind == ExprKind::kLambda)
      throw analysis_error(f.flags & kLambda ? "INVALID_LAMBDA_FUNCTION_CALL.PARAMETER_DOES_NOT_ACCEPT_LAMBDA_FUNCTION"
                                             : "INVALID_LAMBDA_FUNCTION_CALL.NON_HIGHER_ORDER_FUNCTION",
                           {{"class", std::string(f.name())}});
    if (strict) {
      if (args[i]->type.id() == TypeId::kNull && !accepts(spec, args[i]->type)) args[i] = make_null(default_concrete(spec));
    } else if (auto t = implicit_cast(args[i]->type, spec, ansi)) {
      cast_to(context, args[i], *t);
    }
  }
  for (size_t i = 0; i < args.size(); ++i) {
    if (!args[i]) continue;
    const TypeSpec& spec = alt.parameter(i)->type;
    if (spec.kind == Kind::kLambda) {
      const TypeSpec& result = spec.parts.back();
      if (!accepts(result, args[i]->type)) {
        if (args[i]->type.id() != TypeId::kNull) unexpected_input(context, args, i, sql_name(result));
        const Lambda& l = as<Lambda>(*args[i]);
        auto fixed = std::make_shared<Lambda>(l);
        fixed->type = default_concrete(result);
        fixed->children[0] = make_null(fixed->type);
        args[i] = fixed;
      }
      continue;
    }
    if (!accepts(spec, args[i]->type)) unexpected_input(context, args, i, sql_name(spec));
    if (spec.kind == Kind::kOrderable) expect_orderable(context, args, args[i]->type);
    const Parameter& p = *alt.parameter(i);
    if (p.foldable) expect_foldable(context, args, i, p.name.empty() ? "argument" : p.name.c_str(), default_concrete(spec));
  }
  Bindings env;
  for (size_t i = 0; i < args.size(); ++i)
    if (args[i]) match(alt.parameter(i)->type, args[i]->type, args[i]->nullable, env);
  for (auto& [name, b] : env) {
    b.type = b.types[0];
    for (const DataType& t : b.types) {
      if (t.same_type(b.type)) {
        if (auto m = merge_nullability(b.type, t)) b.type = *m;
        continue;
      }
      auto common = strict ? std::optional<DataType>() : common_type(b.type, t, ansi);
      if (f.name() == "map_zip_with" && (!common || cast_force_nullable(b.type, *common) || cast_force_nullable(t, *common)))
        mismatch(context, args, "MAP_ZIP_WITH_DIFF_TYPES", {{"functionName", quote_identifier(f.name())}, {"leftType", quoted(b.type)}, {"rightType", quoted(t)}});
      if (!common) {
        std::string list = "(";
        for (size_t i = 0; i < args.size(); ++i) list += (i ? " or " : "") + (args[i] ? quoted(args[i]->type) : "LAMBDA");
        mismatch(context, args, "DATA_DIFF_TYPES", {{"functionName", quote_identifier(context.name)}, {"dataType", list + ")"}});
      }
      b.type = *common;
    }
  }
  for (size_t i = 0; i < args.size(); ++i) {
    if (is_lambda(args[i]) || !has_variable(alt.parameter(i)->type)) continue;
    DataType want = instantiate(alt.parameter(i)->type, env, args);
    if (!args[i]->type.same_type(want)) cast_to(context, args[i], want);
  }
  return env;
}

}  // namespace

const FunctionEntry* find_function(std::string_view name) {
  const auto& m = registry().by_name;
  auto it = m.find(lower(name));
  return it == m.end() ? nullptr : it->second;
}
std::vector<std::string_view> function_names() { return registry().names; }
const std::vector<const FunctionEntry*>& all_function_entries() { return registry().all; }

const Signature& signature_of(const FunctionEntry& f) {
  static const Signature empty;
  const auto& m = registry().signatures;
  auto it = m.find(&f);
  return it == m.end() ? empty : it->second;
}

std::string_view lowering_of(const FunctionEntry& f, EvalMode mode, size_t arguments) {
  std::string_view t = f.lowering;
  if (mode == EvalMode::kLegacy && !f.lowering_legacy.empty()) t = f.lowering_legacy;
  if (mode == EvalMode::kTry && !f.lowering_try.empty()) t = f.lowering_try;
  auto trim = [](std::string_view s) {
    while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
    while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
    return s;
  };
  if (t.size() < 2 || t[1] != ':' || !(std::isdigit(static_cast<unsigned char>(t[0])) || t[0] == '*')) return t;
  while (!t.empty()) {
    size_t end = t.find(";;");
    std::string_view piece = trim(t.substr(0, end));
    if (piece[0] == '*' || static_cast<size_t>(piece[0] - '0') == arguments) return trim(piece.substr(2));
    t = end == std::string_view::npos ? std::string_view{} : t.substr(end + 2);
  }
  return {};
}

std::vector<ExprPtr> arrange_arguments(const FunctionEntry& f, std::vector<ExprPtr> args, const std::vector<std::string>& names,
                                       std::string_view called) {
  if (std::all_of(names.begin(), names.end(), [](const std::string& n) { return n.empty(); })) return args;
  const Signature& s = signature_of(f);
  if (!s.named()) throw analysis_error("NAMED_PARAMETERS_NOT_SUPPORTED", {{"functionName", quote_identifier(called)}});
  const Alternative& alt = s.alternatives.back();
  const auto& params = alt.parameters;
  std::vector<ExprPtr> out(params.size());
  size_t positional = 0, last = 0;
  bool seen_name = false;
  for (size_t i = 0; i < args.size(); ++i) {
    if (names[i].empty()) {
      if (seen_name)
        throw analysis_error("UNEXPECTED_POSITIONAL_ARGUMENT",
                             {{"routineName", quote_identifier(called)}, {"parameterName", quote_identifier(names[i - 1])}});
      if (positional >= params.size()) wrong_number_of_arguments(called, std::to_string(params.size()), args.size());
      out[positional++] = args[i];
      last = std::max(last, positional);
      continue;
    }
    seen_name = true;
    auto it = std::find_if(params.begin(), params.end(), [&](const Parameter& p) { return lower(p.name) == lower(names[i]); });
    if (it == params.end()) {
      std::string proposal;
      for (const Parameter& p : params) proposal += (proposal.empty() ? "" : ", ") + quote_identifier(p.name);
      throw analysis_error("UNRECOGNIZED_PARAMETER_NAME",
                           {{"routineName", quote_identifier(called)}, {"argumentName", quote_identifier(names[i])}, {"proposal", proposal}});
    }
    size_t at = static_cast<size_t>(it - params.begin());
    if (out[at])
      throw analysis_error(at < positional ? "DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.BOTH_POSITIONAL_AND_NAMED"
                                           : "DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.DOUBLE_NAMED_ARGUMENT_REFERENCE",
                           {{"routineName", quote_identifier(called)}, {"parameterName", quote_identifier(it->name)}});
    out[at] = args[i];
    last = std::max(last, at + 1);
  }
  for (size_t i = 0; i < params.size(); ++i) {
    if (out[i]) continue;
    if (!params[i].optional)
      throw analysis_error("REQUIRED_PARAMETER_NOT_FOUND", {{"routineName", quote_identifier(called)},
                                                            {"parameterName", quote_identifier(params[i].name)},
                                                            {"index", std::to_string(i)}});
    if (i < last) out[i] = params[i].has_default ? default_literal(params[i]) : make_null(default_concrete(params[i].type));
  }
  out.resize(std::max(last, alt.minimum));
  return out;
}

ExprPtr resolve_call(const FunctionEntry& f, std::vector<ExprPtr> args, const CallContext& given,
                     std::shared_ptr<const QueryContext> query_context) {
  CallContext context{given.conf, given.mode, given.name.empty() ? f.name() : given.name};
  if (f.flags & kTryMode) context.mode = EvalMode::kTry;
  if (f.flags & kAnsiMode) context.mode = EvalMode::kAnsi;
  try {
    coerce_collations(context, f, args);
    Bindings env;
    const Signature& s = signature_of(f);
    const Alternative* alt = nullptr;
    if (!s.alternatives.empty()) {
      alt = &choose(f, s, args.size(), context.name);
      if (!alt->variadic)
        for (size_t i = args.size(); i < alt->parameters.size() && alt->parameters[i].has_default; ++i)
          args.push_back(default_literal(alt->parameters[i]));
      env = coerce(f, *alt, args, context);
    }
    if (f.rewrite) {
      std::vector<ExprPtr> written = args;
      if (ExprPtr r = f.rewrite(context, args)) {
        if (f.flags & (kOwnText | kOperator)) return r;
        Call as_written;
        as_written.function = &f;
        as_written.name = lower(context.name);
        as_written.children = std::move(written);
        auto copy = std::const_pointer_cast<Expression>(with_children(r, r->children));
        copy->text = pretty_sql(as_written);
        copy->context = query_context ? query_context : copy->context;
        return copy;
      }
    }
    TypedCall typed;
    if (f.type_rule) {
      typed = f.type_rule(context, args);
    } else {
      if (!alt || alt->result.kind == Kind::kRule) throw std::logic_error("function without type: " + std::string(f.name()));
      typed.type = instantiate(alt->result, env, args);
      typed.nullable = any_nullable(args);
    }
    apply_collation(f, args, typed);
    if (f.flags & kNullable) typed.nullable = true;
    if ((f.flags & kNullableUnlessAnsi) && context.mode != EvalMode::kAnsi) typed.nullable = true;
    if (f.flags & kNeverNull) typed.nullable = false;
    std::string name = context.name == "==" ? "=" : lower(context.name);
    if ((f.flags & kUpperName) && name == f.name()) name = upper(name);
    const FunctionEntry* by = typed.variant ? typed.variant : &f;
    if (f.kind == FunctionKind::kAggregate) {
      auto a = std::make_shared<AggregateCall>();
      a->function = by;
      a->name = std::move(name);
      a->mode = context.mode;
      a->ignore_nulls = typed.ignore_nulls;
      a->type = std::move(typed.type);
      a->nullable = typed.nullable;
      a->children = std::move(args);
      a->context = std::move(query_context);
      return a;
    }
    auto c = std::make_shared<Call>();
    c->function = by;
    c->name = std::move(name);
    c->mode = context.mode;
    c->type = std::move(typed.type);
    c->nullable = typed.nullable;
    c->children = std::move(args);
    c->context = std::move(query_context);
    return c;
  } catch (const SparkError& e) {
    if (query_context && !e.context()) throw e.with_context(*query_context);
    throw;
  }
}

std::vector<std::pair<DataType, bool>> lambda_parameters(const FunctionEntry& f, std::vector<ExprPtr>& args, size_t index,
                                                         size_t parameters, const CallContext& context) {
  if (!(f.flags & kLambda))
    throw analysis_error("INVALID_LAMBDA_FUNCTION_CALL.NON_HIGHER_ORDER_FUNCTION", {{"class", std::string(f.name())}});
  const Alternative& alt = choose(f, signature_of(f), args.size(), context.name);
  const TypeSpec& spec = alt.parameter(index)->type;
  if (spec.kind != Kind::kLambda) throw analysis_error("INVALID_LAMBDA_FUNCTION_CALL.PARAMETER_DOES_NOT_ACCEPT_LAMBDA_FUNCTION", {});
  Bindings env = coerce(f, alt, args, context);
  std::vector<std::pair<DataType, bool>> out;
  size_t required = 0;
  for (size_t i = 0; i + 1 < spec.parts.size(); ++i) required += !spec.parts[i].optional;
  if (parameters < required || parameters > spec.parts.size() - 1)
    throw analysis_error("INVALID_LAMBDA_FUNCTION_CALL.NUM_ARGS_MISMATCH",
                         {{"expectedNumArgs", std::to_string(parameters)}, {"actualNumArgs", std::to_string(spec.parts.size() - 1)}});
  for (size_t i = 0; i < parameters; ++i) {
    const TypeSpec& p = spec.parts[i];
    bool nullable = p.nullable || (p.kind == Kind::kVariable && env.count(p.variable) && env[p.variable].nullable);
    out.emplace_back(instantiate(p, env, args), nullable);
  }
  return out;
}

ExprPtr call(const CallContext& context, std::string_view function, std::vector<ExprPtr> args, std::string_view printed_as) {
  const FunctionEntry* f = find_function(function);
  if (!f) throw std::logic_error("no function " + std::string(function));
  CallContext c{context.conf, context.mode, printed_as.empty() ? function : printed_as};
  return resolve_call(*f, std::move(args), c);
}

}  // namespace tarn::plan
