#pragma once
// Inside the room: a handler per kind of statement, by file. The table that lists them is statements.cc.
#include "engine/commands/commands.h"

namespace tarn::engine::commands {

using Handler = CommandResult (*)(const sql::Statement& statement, CommandHost& host);
#define TARN_HANDLER(name) CommandResult name(const sql::Statement& statement, CommandHost& host)

// namespace_commands.cc
TARN_HANDLER(use_namespace);
TARN_HANDLER(set_catalog);
TARN_HANDLER(create_namespace);
TARN_HANDLER(alter_namespace);
TARN_HANDLER(drop_namespace);
TARN_HANDLER(show_namespaces);
TARN_HANDLER(show_catalogs);
TARN_HANDLER(show_current_namespace);
TARN_HANDLER(describe_namespace);
TARN_HANDLER(comment_on);
// table_create.cc
TARN_HANDLER(create_table);
TARN_HANDLER(create_table_like);
TARN_HANDLER(drop_table);
TARN_HANDLER(truncate_table);
// table_alter.cc, partition_commands.cc
TARN_HANDLER(alter_table);
TARN_HANDLER(repair_table);
TARN_HANDLER(show_partitions);
// table_show.cc
TARN_HANDLER(show_tables);
TARN_HANDLER(show_views);
TARN_HANDLER(show_table_properties);
TARN_HANDLER(show_columns);
TARN_HANDLER(show_create_table);
// table_describe.cc
TARN_HANDLER(describe_relation);
TARN_HANDLER(describe_query);
// view_commands.cc
TARN_HANDLER(create_view);
TARN_HANDLER(create_temp_view_using);
TARN_HANDLER(alter_view);
TARN_HANDLER(drop_view);
// function_commands.cc
TARN_HANDLER(create_function);
TARN_HANDLER(create_sql_function);
TARN_HANDLER(drop_function);
TARN_HANDLER(show_functions);
TARN_HANDLER(describe_function);
TARN_HANDLER(refresh_function);
TARN_HANDLER(show_collations);
TARN_HANDLER(show_procedures);
// session_commands.cc
TARN_HANDLER(set_config);
TARN_HANDLER(reset_config);
TARN_HANDLER(set_time_zone);
TARN_HANDLER(set_path);
TARN_HANDLER(explain);
TARN_HANDLER(manage_resource);
TARN_HANDLER(refresh_table);
TARN_HANDLER(refresh_path);
TARN_HANDLER(cache_table);
TARN_HANDLER(uncache_table);
TARN_HANDLER(clear_cache);
// variable_commands.cc
TARN_HANDLER(declare_variable);
TARN_HANDLER(set_variable);
TARN_HANDLER(drop_variable);
TARN_HANDLER(execute_immediate);
// cursor_commands.cc
TARN_HANDLER(declare_cursor);
TARN_HANDLER(open_cursor);
TARN_HANDLER(fetch_cursor);
TARN_HANDLER(close_cursor);
// data_commands.cc
TARN_HANDLER(insert);
TARN_HANDLER(multi_insert);
TARN_HANDLER(insert_directory);
TARN_HANDLER(delete_rows);
TARN_HANDLER(update_rows);
TARN_HANDLER(merge_rows);
TARN_HANDLER(analyze_table);
// delta_commands.cc
TARN_HANDLER(describe_history);
TARN_HANDLER(describe_detail);
TARN_HANDLER(optimize);
TARN_HANDLER(vacuum);
TARN_HANDLER(restore);
// script.cc
TARN_HANDLER(run_script);

#undef TARN_HANDLER

}  // namespace tarn::engine::commands
