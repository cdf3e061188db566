#pragma once

/// Tells SQLite not to count the memory that it allocates: to count, it takes one lock of the whole process for each
/// allocation, and threads that only read wait for each other there (https://sqlite.org/malloc.html, section 3.3).
///
/// To be called before the first connection of the process is opened; later it changes nothing. Returns SQLite's code.
///
/// In C, since `sqlite3_config` takes any arguments and Swift calls no such functions.
int pollux_sqlite_count_no_memory(void);

struct sqlite3;

/// Has a connection leave the write-ahead log alone when it is closed, instead of copying it into the database and deleting
/// it by its path, where another program may have put a file meanwhile
/// (https://sqlite.org/c3ref/c_dbconfig_defensive.html#sqlitedbconfignockptonclose).
///
/// In C for the same reason. Returns SQLite's code.
int pollux_sqlite_keep_log_on_close(struct sqlite3 *connection);
