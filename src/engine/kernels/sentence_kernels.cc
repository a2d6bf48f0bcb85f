// sentences: a text as an array of sentences, each an array of its words, by the rules of a language. Source: ExpressionImplUtils.getSentences.
#include <memory>

#include <unicode/brkiter.h>
#include <unicode/rbbi.h>
#include <unicode/uchar.h>

#include "engine/kernels/kernel.h"

namespace tarn::engine::kernels {
namespace {

using duckdb::idx_t;
using duckdb::ListVector;
using duckdb::Vector;

// Words as Java's BreakIterator knows them: letters with what may stand between letters, numbers with their signs, runs of one
// Japanese script.
constexpr const char* kWordRules = R"(
$Ext = [[:Mn:][:Me:][:Cf:]];
$Kanji = [\u3005\u4e00-\u9fa5\uf900-\ufa2d];
$Kata = [\u30a1-\u30fa\u30fc-\u30fe];
$Hira = [\u3041-\u3094\u3099-\u309e];
$Let = [[[:L:][:Mc:][:Pc:]] - $Kanji - $Kata - $Hira];
$Dgt = [:N:];
$L = $Let $Ext*;
$D = $Dgt $Ext*;
$Word = $L+ ([[:Pd:]\u00ad\u2027\u0022\u0027\u002e] $L+)*;
$Number = $D+ ([\u0022\u0027\u002c\u066b\u002e] $D+)*;
.;
[[[:Sc:]\u0023\u002e] - [\u00a2]]* $Number ($Word $Number?)* [\u00a2\u0025\u066a\u2030\u2031]*;
$Word ($Number $Word?)*;
$Hira+;
$Kata+ $Hira*;
$Kanji+ $Hira*;
)";

struct Breaks {
  std::unique_ptr<icu::BreakIterator> sentences, words;
  explicit Breaks(const icu::Locale& locale) {
    UErrorCode status = U_ZERO_ERROR;
    UParseError where;
    sentences.reset(icu::BreakIterator::createSentenceInstance(locale, status));
    words = std::make_unique<icu::RuleBasedBreakIterator>(icu::UnicodeString::fromUTF8(kWordRules), where, status);
    if (U_FAILURE(status)) throw duckdb::InvalidInputException("no rules to break text by: %s", u_errorName(status));
  }
};

std::vector<std::vector<std::string>> sentences_of(std::string_view text, Breaks& breaks) {
  std::vector<std::vector<std::string>> out;
  const auto whole = icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
  // A new line is a space to Java, where ICU begins a paragraph.
  icu::UnicodeString in_one_line = whole;
  in_one_line.findAndReplace(u"\n", u" ").findAndReplace(u"\r", u" ");
  breaks.sentences->setText(in_one_line);
  for (int32_t begin = breaks.sentences->first(), end = breaks.sentences->next(); end != icu::BreakIterator::DONE; begin = end, end = breaks.sentences->next()) {
    const icu::UnicodeString sentence(whole, begin, end - begin);
    breaks.words->setText(sentence);
    auto& words = out.emplace_back();
    for (int32_t from = breaks.words->first(), to = breaks.words->next(); to != icu::BreakIterator::DONE; from = to, to = breaks.words->next()) {
      const UChar first = sentence[from];  // a UTF-16 unit, as Java looks at it
      if (u_isalpha(first) || u_isdigit(first)) sentence.tempSubStringBetween(from, to).toUTF8String(words.emplace_back());
    }
  }
  return out;
}

std::string text_at(duckdb::UnifiedVectorFormat& f, idx_t row) {
  const auto at = f.sel->get_index(row);
  return f.validity.RowIsValid(at) ? duckdb::UnifiedVectorFormat::GetData<duckdb::string_t>(f)[at].GetString() : std::string();
}

// (text, language, country); without a language Spark's default locale counts.
void sentences(duckdb::DataChunk& in, duckdb::ExpressionState&, Vector& result) {
  duckdb::UnifiedVectorFormat arguments[3];
  for (idx_t i = 0; i < 3; ++i) in.data[i].ToUnifiedFormat(in.size(), arguments[i]);
  result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
  Vector& inner = ListVector::GetEntry(result);
  auto* outer_entries = duckdb::FlatVector::GetData<duckdb::list_entry_t>(result);
  idx_t lists = 0, words = 0;
  std::string key;
  std::unique_ptr<Breaks> breaks;
  for (idx_t row = 0; row < in.size(); ++row) {
    outer_entries[row] = {lists, 0};
    if (!arguments[0].validity.RowIsValid(arguments[0].sel->get_index(row))) {
      duckdb::FlatVector::SetNull(result, row, true);
      continue;
    }
    const std::string language = text_at(arguments[1], row), country = text_at(arguments[2], row);
    if (std::string wanted = language + "_" + country; !breaks || wanted != key) {
      breaks = std::make_unique<Breaks>(language.empty() ? icu::Locale::getUS() : icu::Locale(language.c_str(), country.c_str()));
      key = std::move(wanted);
    }
    auto found = sentences_of(text_at(arguments[0], row), *breaks);
    ListVector::Reserve(result, lists + found.size());
    auto* entries = duckdb::FlatVector::GetData<duckdb::list_entry_t>(inner);
    for (const auto& sentence : found) {
      ListVector::Reserve(inner, words + sentence.size());
      Vector& texts = ListVector::GetEntry(inner);
      entries[lists++] = {words, sentence.size()};
      for (const auto& w : sentence) duckdb::FlatVector::GetData<duckdb::string_t>(texts)[words++] = duckdb::StringVector::AddString(texts, w);
    }
    outer_entries[row].length = found.size();
  }
  ListVector::SetListSize(inner, words);
  ListVector::SetListSize(result, lists);
}

}  // namespace

void register_sentences(Kernels& k) {
  using duckdb::LogicalType;
  duckdb::ScalarFunction s("spark_sentences", {LogicalType::VARCHAR, LogicalType::VARCHAR, LogicalType::VARCHAR}, LogicalType::LIST(LogicalType::LIST(LogicalType::VARCHAR)), sentences);
  s.SetNullHandling(duckdb::FunctionNullHandling::SPECIAL_HANDLING);
  k.add(std::move(s));
}

}  // namespace tarn::engine::kernels
