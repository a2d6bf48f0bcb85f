#include "plan/scope.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "plan/types_internal.h"
#include "sql/parser.h"

namespace tarn::plan {

std::string name_text(const Parts& parts) { return quote_identifier(parts); }

std::string lower_case(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}
std::string upper_case(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

bool same_name(std::string_view a, std::string_view b, bool case_sensitive) {
  if (a.size() != b.size()) return false;
  if (case_sensitive) return a == b;
  return std::equal(a.begin(), a.end(), b.begin(), [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

Scope::Scope(std::vector<PlanPtr> plans, const Scope* outer, bool case_sensitive)
    : plans_(std::move(plans)), outer_(outer), case_sensitive_(case_sensitive) {
  for (const auto& p : plans_) {
    columns_.insert(columns_.end(), p->output.begin(), p->output.end());
    hidden_.insert(hidden_.end(), p->hidden.begin(), p->hidden.end());
  }
}

bool Scope::has(ExprId id) const {
  auto is = [&](const Attribute& a) { return a.id == id; };
  return std::any_of(columns_.begin(), columns_.end(), is) || std::any_of(hidden_.begin(), hidden_.end(), is);
}

Scope::Index Scope::make_index(const std::vector<Attribute>& list) const {
  Index index;
  for (size_t i = 0; i < list.size(); ++i) index[case_sensitive_ ? list[i].name : lower_case(list[i].name)].push_back(i);
  return index;
}

Scope::Found Scope::find_in(const std::vector<Attribute>& list, const Index& index, const Parts& parts) const {
  if (list.empty()) return {};
  size_t most = std::min<size_t>(parts.size() - 1, 3);
  for (size_t q = most + 1; q-- > 0;) {
    auto it = index.find(case_sensitive_ ? parts[q] : lower_case(parts[q]));
    if (it == index.end()) continue;
    std::vector<const Attribute*> hits;
    for (size_t i : it->second) {
      const auto& a = list[i];
      if (q == 0 ? a.qualified_only : a.qualifier.size() < q) continue;
      bool match = true;
      for (size_t k = 0; k < q && match; ++k)
        match = same_name(a.qualifier[a.qualifier.size() - q + k], parts[k], case_sensitive_);
      if (!match) continue;
      if (std::any_of(hits.begin(), hits.end(), [&](const Attribute* h) { return h->id == a.id || h->id == a.duplicate_of; })) continue;
      hits.push_back(&a);
    }
    if (hits.size() > 1)
      std::erase_if(hits, [](const Attribute* a) { return a->metadata.find("\"__is_duplicate\"") != std::string::npos; });
    if (hits.empty()) continue;
    if (hits.size() > 1) {
      std::vector<std::string> names;
      for (const auto* a : hits) {
        Parts full = a->qualifier;
        full.push_back(a->name);
        names.push_back(name_text(full));
      }
      std::sort(names.begin(), names.end());
      std::string text = "[";
      for (size_t i = 0; i < names.size(); ++i) text += (i ? ", " : "") + names[i];
      throw analysis_error("AMBIGUOUS_REFERENCE", {{"name", name_text(parts)}, {"referenceNames", text + "]"}});
    }
    return {hits[0], q + 1};
  }
  return {};
}

Scope::Found Scope::find(const Parts& parts) const {
  if (!indexed_) {
    index_ = make_index(columns_);
    hidden_index_ = make_index(hidden_);
    indexed_ = true;
  }
  auto found = find_in(columns_, index_, parts);
  if (found.attribute) return found;
  return find_in(hidden_, hidden_index_, parts);
}

namespace {

struct Candidate {
  Attribute attribute;
  size_t used;
  int depth;
  bool hidden;
};

bool carries(const LogicalPlan& p, int64_t id) { return std::find(p.plan_ids.begin(), p.plan_ids.end(), id) != p.plan_ids.end(); }

const Attribute* by_id(const std::vector<Attribute>& list, ExprId id) {
  for (const auto& a : list)
    if (a.id == id) return &a;
  return nullptr;
}

bool search(const PlanPtr& p, const Parts& parts, int64_t id, bool metadata_column, bool case_sensitive, int depth,
            std::vector<Candidate>& out) {
  std::vector<Candidate> found;
  bool matched = false;
  if (carries(*p, id)) {
    matched = true;
    if (metadata_column) {
      for (const auto& a : p->hidden)
        if (parts.size() == 1 && same_name(a.name, parts[0], case_sensitive)) {
          found.push_back({a, 1, depth, false});
          break;
        }
    } else {
      Scope local({p}, nullptr, case_sensitive);
      auto f = local.find(parts);
      if (f.attribute) found.push_back({*f.attribute, f.used, depth, false});
    }
  } else if (auto* s = try_as<SetOperation>(*p); !s || s->type != SetOperationType::kUnion) {
    for (const auto& c : p->children) matched = search(c, parts, id, metadata_column, case_sensitive, depth + 1, found) || matched;
  }
  // INTERSECT and EXCEPT give the columns of their left side.
  if (auto* s = try_as<SetOperation>(*p); s && s->type != SetOperationType::kUnion && matched)
    for (auto& c : found)
      for (size_t i = 0; i < s->children[0]->output.size() && i < p->output.size(); ++i)
        if (s->children[0]->output[i].id == c.attribute.id) {
          c.attribute = p->output[i];
          break;
        }
  for (auto& c : found) {
    if (auto* a = by_id(p->output, c.attribute.id)) {
      c.attribute = *a;
      out.push_back(c);
    } else if (auto* h = by_id(p->hidden, c.attribute.id)) {
      c.attribute = *h;
      c.hidden = true;
      out.push_back(c);
    }
  }
  return matched;
}

}  // namespace

Scope::Found Scope::find_by_plan_id(const Parts& parts, int64_t plan_id, bool metadata_column, bool* matched) const {
  std::vector<Candidate> all;
  *matched = false;
  for (const auto& p : plans_) *matched = search(p, parts, plan_id, metadata_column, case_sensitive_, 0, all) || *matched;
  bool regular = std::any_of(all.begin(), all.end(), [](const Candidate& c) { return !c.hidden; });
  if (regular) std::erase_if(all, [](const Candidate& c) { return c.hidden; });
  std::stable_sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) { return a.depth < b.depth; });
  if (all.empty()) return {};
  if (all.size() > 1 && !(all[0].depth == 0 && all[1].depth != 0))
    throw analysis_error("AMBIGUOUS_COLUMN_REFERENCE", {{"name", name_text(parts)}});
  const Attribute* a = by_id(columns_, all[0].attribute.id);
  if (!a) a = by_id(hidden_, all[0].attribute.id);
  return {a, all[0].used};
}

namespace {

bool star_search(const PlanPtr& p, int64_t id, std::vector<Attribute>* out) {
  bool found = false;
  std::vector<Attribute> columns;
  if (carries(*p, id)) {
    columns = p->output;
    found = true;
  } else {
    for (const auto& c : p->children) {
      std::vector<Attribute> one;
      if (!star_search(c, id, &one)) continue;
      if (found) throw analysis_error("AMBIGUOUS_COLUMN_REFERENCE", {{"name", "`*`"}});
      found = true;
      columns = std::move(one);
    }
  }
  if (!found) return false;
  for (const auto& a : columns)
    if (!by_id(p->output, a.id) && !by_id(p->hidden, a.id)) return false;
  *out = std::move(columns);
  return true;
}

}  // namespace

bool Scope::columns_of_plan_id(int64_t plan_id, std::vector<Attribute>* out) const {
  bool found = false;
  for (const auto& p : plans_) {
    std::vector<Attribute> one;
    if (!star_search(p, plan_id, &one)) continue;
    if (found) throw analysis_error("AMBIGUOUS_COLUMN_REFERENCE", {{"name", "`*`"}});
    found = true;
    *out = std::move(one);
  }
  return found;
}

namespace {

size_t levenshtein(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t up = row[j];
      row[j] = std::min({up + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = up;
    }
  }
  return row[b.size()];
}

}  // namespace

std::string suggestions(const std::string& base, const std::vector<Parts>& candidates) {
  auto base_parts = sql::parse_attribute_name(base);
  auto prefixes = [&](size_t keep) {
    std::set<Parts> all;
    for (const auto& c : candidates) all.insert(Parts(c.begin(), c.end() - static_cast<std::ptrdiff_t>(std::min(keep, c.size()))));
    return all.size();
  };
  size_t keep = SIZE_MAX;
  if (base_parts.size() == 1 && prefixes(1) == 1) keep = 1;
  else if (base_parts.size() <= 2 && prefixes(2) == 1) keep = 2;
  std::vector<std::pair<size_t, std::string>> scored;
  for (const auto& c : candidates) {
    Parts shown = c.size() > keep ? Parts(c.end() - static_cast<std::ptrdiff_t>(keep), c.end()) : c;
    std::string text = quote_identifier(shown);
    scored.emplace_back(levenshtein(text, base), std::move(text));
  }
  std::stable_sort(scored.begin(), scored.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string out;
  for (size_t i = 0; i < scored.size() && i < 5; ++i) out += (i ? ", " : "") + scored[i].second;
  return out;
}

SparkError Scope::unresolved(const Parts& parts, std::string_view condition) const {
  // In the order of names, as Spark's AttributeSet lists them.
  std::vector<const Attribute*> sorted;
  for (const auto& a : columns_) sorted.push_back(&a);
  std::stable_sort(sorted.begin(), sorted.end(), [](const Attribute* a, const Attribute* b) { return a->name < b->name; });
  std::vector<Parts> candidates;
  for (const auto* a : sorted) {
    Parts full = a->qualifier;
    full.push_back(a->name);
    candidates.push_back(std::move(full));
  }
  ErrorParams params{{"objectName", name_text(parts)}};
  if (candidates.empty()) return analysis_error(std::string(condition) + ".WITHOUT_SUGGESTION", params);
  params["proposal"] = suggestions(sql::unparse_identifier(parts), candidates);
  return analysis_error(std::string(condition) + ".WITH_SUGGESTION", params);
}

}  // namespace tarn::plan
