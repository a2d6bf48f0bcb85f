#include "engine/plan_rewrite.h"

#include "base/spark_error.h"

namespace tarn::engine {

plan::PlanPtr with_children(const plan::PlanPtr& p, std::vector<plan::PlanPtr> children) {
  using namespace plan;
  auto copy = [&](const auto& node) -> PlanPtr {
    auto c = std::make_shared<std::remove_cvref_t<decltype(node)>>(node);
    c->children = std::move(children);
    return c;
  };
  switch (p->kind) {
#define TARN_COPY(Name) case PlanKind::k##Name: return copy(as<Name>(*p));
    TARN_COPY(OneRow) TARN_COPY(LocalData) TARN_COPY(Values) TARN_COPY(Range) TARN_COPY(Scan) TARN_COPY(Project) TARN_COPY(Filter)
    TARN_COPY(Join) TARN_COPY(Aggregate) TARN_COPY(Window) TARN_COPY(Sort) TARN_COPY(Limit) TARN_COPY(Tail) TARN_COPY(SetOperation)
    TARN_COPY(Distinct) TARN_COPY(Deduplicate) TARN_COPY(Generate) TARN_COPY(Sample) TARN_COPY(CteScope) TARN_COPY(CteRef)
    TARN_COPY(RecursiveCte) TARN_COPY(Repartition) TARN_COPY(CollectMetrics) TARN_COPY(PythonMap) TARN_COPY(PythonEval) TARN_COPY(Cached)
#undef TARN_COPY
  }
  throw internal_error("unknown plan node");
}

}  // namespace tarn::engine
