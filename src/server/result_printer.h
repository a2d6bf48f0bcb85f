#pragma once
// Results on the terminal and in files.
#include <cstdio>
#include <memory>
#include <string>

#include "server/sql_client.h"

namespace tarn::server {

class ResultPrinter : public SqlClient::Rows {
 public:
  virtual void finish() {}  // after the last row
  int64_t rows() const { return rows_; }

 protected:
  int64_t rows_ = 0;
};

// format: table, csv (RFC 4180, with a header; NULL is empty) or json (one object a line). width: columns of the terminal, 0 for no limit.
// UsageError for another format.
std::unique_ptr<ResultPrinter> make_printer(const std::string& format, FILE* out, size_t width);

// Columns of the terminal that the UTF-8 text takes.
size_t display_width(const std::string& text);

}  // namespace tarn::server
