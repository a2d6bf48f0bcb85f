// Rows as elements of an XML document. Source: XmlOutputWriter.
#include "engine/sinks/row_encoder.h"
#include "engine/sources/xml_format.h"
#include "engine/xml/writer.h"

namespace tarn::engine::sinks {

namespace {

class XmlEncoder : public RowEncoder {
 public:
  XmlEncoder(const plan::DataType& schema, std::shared_ptr<const xml::XmlOptions> options) : schema_(schema), options_(std::move(options)) {}

  void header(std::string&) override { writer_.emplace(*options_); }
  // A file without rows stays empty.
  void footer(std::string& out) override {
    writer_->to(out);
    if (started_) writer_->end_document();
    started_ = false;
  }
  void row(const std::vector<duckdb::RecursiveUnifiedVectorFormat>& columns, const std::vector<size_t>& which, duckdb::idx_t row, std::string& out) override {
    writer_->to(out);
    if (!started_) writer_->begin_document();
    started_ = true;
    std::vector<const duckdb::RecursiveUnifiedVectorFormat*> fields;
    for (size_t w : which) fields.push_back(&columns[w]);
    writer_->row(schema_, fields, row);
  }

 private:
  plan::DataType schema_;
  std::shared_ptr<const xml::XmlOptions> options_;
  std::optional<xml::Writer> writer_;
  bool started_ = false;
};

}  // namespace

std::unique_ptr<RowEncoder> make_xml_encoder(const plan::DataType& schema, const sources::Options& options, const plan::SessionConf& conf) {
  return std::make_unique<XmlEncoder>(schema, sources::read_xml_options(options, conf, false));
}

}  // namespace tarn::engine::sinks
