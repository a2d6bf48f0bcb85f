#pragma once
// A Spark Connect client: SQL in, text cells out.
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace tarn::server {

struct ResultColumn {
  std::string name;
  enum class Kind { kText, kNumber, kBoolean, kNested } kind = Kind::kText;  // kNested: its cells are JSON
};
struct Cell {
  bool null = true;
  std::string text;
};

// What the server answered with; what() is its message.
class SqlError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// One session. Not thread-safe, except cancel().
class SqlClient {
 public:
  // sc://host:port/;token=...;user_id=...;use_ssl=true. UsageError if it is no such URL. Nothing is sent yet.
  explicit SqlClient(const std::string& remote);
  ~SqlClient();

  class Rows {
   public:
    virtual ~Rows() = default;
    virtual void columns(const std::vector<ResultColumn>& columns) = 0;
    virtual void row(const std::vector<Cell>& cells) = 0;
  };
  // Runs one statement. A statement without columns (DDL) calls nothing. json_cells: nested values as JSON instead of Spark's own text.
  void run(const std::string& sql, bool json_cells, Rows& rows);
  // Ends the statement that runs now; run() throws SqlError.
  void cancel();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tarn::server
