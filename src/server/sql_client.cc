#include "server/sql_client.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/grpcpp.h>
#include <spark/connect/base.grpc.pb.h>

#include <cstdlib>
#include <mutex>

#include "base/ids.h"
#include "connect/service.h"
#include "server/command.h"

namespace sc = spark::connect;

namespace tarn::server {
namespace {

struct Remote {
  std::string target, token, user, session;
  bool ssl = false;
};

std::string decode_percent(const std::string& s) {
  std::string out;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '%' && i + 2 < s.size()) {
      out += static_cast<char>(std::strtol(s.substr(i + 1, 2).c_str(), nullptr, 16));
      i += 2;
    } else {
      out += s[i];
    }
  }
  return out;
}

Remote parse_remote(const std::string& url) {
  if (!url.starts_with("sc://")) throw UsageError("a cluster's URL is sc://HOST:PORT, not " + url);
  std::string rest = url.substr(5);
  size_t slash = rest.find('/');
  Remote out;
  std::string host = rest.substr(0, slash);
  size_t colon = host.rfind(':');
  bool has_port = colon != std::string::npos && host.find(']', colon) == std::string::npos;
  out.target = has_port ? host : host + ":15002";
  if (host.empty() || host[0] == ':') throw UsageError("the URL names no host: " + url);
  std::string ssl;
  std::string parameters = slash == std::string::npos ? "" : rest.substr(slash + 1);
  while (!parameters.empty()) {
    size_t semicolon = parameters.find(';');
    std::string one = parameters.substr(0, semicolon);
    parameters = semicolon == std::string::npos ? "" : parameters.substr(semicolon + 1);
    if (one.empty()) continue;
    size_t equals = one.find('=');
    if (equals == std::string::npos) throw UsageError("a parameter of the URL is KEY=VALUE, not " + one);
    std::string key = one.substr(0, equals), value = decode_percent(one.substr(equals + 1));
    if (key == "token") out.token = value;
    else if (key == "user_id") out.user = value;
    else if (key == "session_id") out.session = value;
    else if (key == "use_ssl") ssl = value;
    // others (user_agent, grpc options) mean nothing here
  }
  std::string name = has_port ? host.substr(0, colon) : host;
  // A token goes over TLS, except on this machine.
  out.ssl = ssl == "true" || (ssl.empty() && !out.token.empty() && !connect::is_loopback(name));
  if (!out.token.empty() && ssl == "false" && !connect::is_loopback(name)) throw UsageError("a token is only sent with TLS");
  return out;
}

ResultColumn::Kind kind_of(const sc::DataType& type) {
  switch (type.kind_case()) {
    case sc::DataType::kByte: case sc::DataType::kShort: case sc::DataType::kInteger: case sc::DataType::kLong:
    case sc::DataType::kFloat: case sc::DataType::kDouble: case sc::DataType::kDecimal:
      return ResultColumn::Kind::kNumber;
    case sc::DataType::kBoolean: return ResultColumn::Kind::kBoolean;
    case sc::DataType::kArray: case sc::DataType::kMap: case sc::DataType::kStruct: case sc::DataType::kVariant:
      return ResultColumn::Kind::kNested;
    default: return ResultColumn::Kind::kText;
  }
}

// The columns renamed (names may repeat) and turned into text by the server, so that every value looks as Spark writes it.
void as_text(sc::Relation relation, const std::vector<ResultColumn>& columns, bool json, sc::Relation* out) {
  auto* project = out->mutable_project();
  auto* renamed = project->mutable_input()->mutable_to_df();
  renamed->mutable_input()->Swap(&relation);
  for (size_t i = 0; i < columns.size(); ++i) {
    std::string name = "c" + std::to_string(i);
    renamed->add_column_names(name);
    sc::Expression column;
    column.mutable_unresolved_attribute()->set_unparsed_identifier(name);
    auto* alias = project->add_expressions()->mutable_alias();
    alias->add_name(name);
    if (json && columns[i].kind == ResultColumn::Kind::kNested) {
      auto* call = alias->mutable_expr()->mutable_unresolved_function();
      call->set_function_name("to_json");
      call->add_arguments()->Swap(&column);
    } else {
      auto* cast = alias->mutable_expr()->mutable_cast();
      cast->mutable_expr()->Swap(&column);
      cast->mutable_type()->mutable_string();
    }
  }
}

}  // namespace

struct SqlClient::Impl {
  Remote remote;
  std::unique_ptr<sc::SparkConnectService::Stub> stub;
  std::mutex mu;
  grpc::ClientContext* current = nullptr;  // guarded by mu
  bool used = false;

  void prepare(grpc::ClientContext* context) {
    if (!remote.token.empty()) context->AddMetadata("authorization", "Bearer " + remote.token);
  }

  template <class Request>
  void fill(Request* request) {
    request->set_session_id(remote.session);
    request->mutable_user_context()->set_user_id(remote.user);
    request->set_client_type("tarn-sql/" TARN_VERSION);
  }

  // The whole message: the status has at most 2 KB of it.
  SqlError error_of(const grpc::Status& status) {
    google::rpc::Status details;
    google::rpc::ErrorInfo info;
    if (details.ParseFromString(status.error_details())) {
      for (const auto& any : details.details()) {
        if (!any.UnpackTo(&info) || !info.metadata().contains("errorId")) continue;
        sc::FetchErrorDetailsRequest request;
        fill(&request);
        request.set_error_id(info.metadata().at("errorId"));
        grpc::ClientContext context;
        prepare(&context);
        sc::FetchErrorDetailsResponse response;
        if (stub->FetchErrorDetails(&context, request, &response).ok() && response.errors_size() > 0) {
          return SqlError(response.errors(response.root_error_idx()).message());
        }
      }
    }
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) return SqlError("no cluster answers at " + remote.target + ": is it running?");
    return SqlError(status.error_message());
  }

  template <class F>
  void execute(const sc::Plan& plan, F on_response) {
    sc::ExecutePlanRequest request;
    fill(&request);
    request.set_operation_id(random_uuid());
    *request.mutable_plan() = plan;
    grpc::ClientContext context;
    prepare(&context);
    struct Current {
      Impl& impl;
      Current(Impl& i, grpc::ClientContext* c) : impl(i) { set(c); }
      ~Current() { set(nullptr); }
      void set(grpc::ClientContext* c) {
        std::lock_guard lock(impl.mu);
        impl.current = c;
      }
    } guard(*this, &context);
    used = true;
    auto stream = stub->ExecutePlan(&context, request);
    sc::ExecutePlanResponse response;
    while (stream->Read(&response)) on_response(response);
    grpc::Status status = stream->Finish();
    if (status.error_code() == grpc::StatusCode::CANCELLED) throw SqlError("cancelled");
    if (!status.ok()) throw error_of(status);
  }

  std::vector<ResultColumn> schema_of(const sc::Relation& relation) {
    sc::AnalyzePlanRequest request;
    fill(&request);
    *request.mutable_schema()->mutable_plan()->mutable_root() = relation;
    grpc::ClientContext context;
    prepare(&context);
    sc::AnalyzePlanResponse response;
    grpc::Status status = stub->AnalyzePlan(&context, request, &response);
    if (!status.ok()) throw error_of(status);
    std::vector<ResultColumn> out;
    for (const auto& f : response.schema().schema().struct_().fields()) out.push_back({f.name(), kind_of(f.data_type())});
    return out;
  }
};

SqlClient::SqlClient(const std::string& remote) : impl_(std::make_unique<Impl>()) {
  impl_->remote = parse_remote(remote);
  if (impl_->remote.session.empty()) impl_->remote.session = random_uuid();
  if (impl_->remote.user.empty()) {
    const char* user = std::getenv("USER");
    impl_->remote.user = user ? user : "";
  }
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  auto credentials = impl_->remote.ssl ? grpc::SslCredentials({}) : grpc::InsecureChannelCredentials();
  impl_->stub = sc::SparkConnectService::NewStub(grpc::CreateCustomChannel(impl_->remote.target, credentials, arguments));
}

SqlClient::~SqlClient() {
  if (!impl_->used) return;
  sc::ReleaseSessionRequest request;
  impl_->fill(&request);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(2));
  impl_->prepare(&context);
  sc::ReleaseSessionResponse response;
  impl_->stub->ReleaseSession(&context, request, &response);
}

void SqlClient::cancel() {
  std::lock_guard lock(impl_->mu);
  if (impl_->current) impl_->current->TryCancel();
}

void SqlClient::run(const std::string& sql, bool json_cells, Rows& rows) {
  // The statement first: what changes something runs now, a query comes back as a relation to be asked.
  sc::Plan command;
  command.mutable_command()->mutable_sql_command()->mutable_input()->mutable_sql()->set_query(sql);
  sc::Relation relation;
  bool has_relation = false;
  impl_->execute(command, [&](const sc::ExecutePlanResponse& response) {
    if (!response.has_sql_command_result()) return;
    relation = response.sql_command_result().relation();
    has_relation = true;
  });
  if (!has_relation) return;
  auto columns = impl_->schema_of(relation);
  if (columns.empty()) return;
  rows.columns(columns);
  sc::Plan query;
  as_text(std::move(relation), columns, json_cells, query.mutable_root());
  std::string chunks;
  impl_->execute(query, [&](const sc::ExecutePlanResponse& response) {
    if (!response.has_arrow_batch()) return;
    auto input = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(response.arrow_batch().data()));
    auto reader = arrow::ipc::RecordBatchStreamReader::Open(input);
    if (!reader.ok()) throw SqlError(reader.status().ToString());
    std::shared_ptr<arrow::RecordBatch> batch;
    while ((*reader)->ReadNext(&batch).ok() && batch) {
      std::vector<Cell> cells(static_cast<size_t>(batch->num_columns()));
      for (int64_t r = 0; r < batch->num_rows(); ++r) {
        for (int c = 0; c < batch->num_columns(); ++c) {
          const auto& column = *batch->column(c);
          Cell& cell = cells[static_cast<size_t>(c)];
          cell.null = column.IsNull(r);
          if (cell.null) cell.text = "NULL";
          else if (column.type_id() == arrow::Type::LARGE_STRING) cell.text = static_cast<const arrow::LargeStringArray&>(column).GetString(r);
          else cell.text = static_cast<const arrow::StringArray&>(column).GetString(r);
        }
        rows.row(cells);
      }
    }
  });
}

}  // namespace tarn::server
