#include "engine/kernels/kernels.h"

#include "engine/kernels/kernel.h"
#include "engine/kernels/random_kernels.h"
#include "engine/kernels/running_kernels.h"

namespace tarn::engine::kernels {

// Each in the file of its name.
void register_accumulators(Kernels& k);
void register_approx_counts(Kernels& k);
void register_frequencies(Kernels& k);
void register_histograms(Kernels& k);
void register_hll(Kernels& k);
void register_sentences(Kernels& k);
void register_time_windows(Kernels& k);
void register_variant(Kernels& k);
void register_xml(Kernels& k);
void register_avro(Kernels& k);

void register_kernels(duckdb::DatabaseInstance& database) {
  Kernels k(database);
  register_arithmetic(k);
  register_decimals(k);
  register_casts(k);
  register_math(k);
  register_sketches(k);
  register_hll(k);
  register_approx_counts(k);
  register_accumulators(k);
  register_histograms(k);
  register_frequencies(k);
  register_strings(k);
  register_collations(k);
  register_patterns(k);
  register_datetimes(k);
  register_datetime_formats(k);
  register_intervals(k);
  register_time_windows(k);
  register_text(k);
  register_sentences(k);
  register_lists(k);
  register_maps(k);
  register_aggregates(k);
  register_hashes(k);
  register_crypto(k);
  register_geo(k);
  register_json(k);
  register_from_text(k);
  register_xml(k);
  register_avro(k);
  register_variant(k);
  register_misc(k);
  register_random(k);
  register_running(k);
  k.finish();
}

}  // namespace tarn::engine::kernels
